"""The parts of `stress_test.py`: sending requests from threads, and what came of them as figures, text and plot."""
