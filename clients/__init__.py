"""The parts of the three clients, `simple_request.py`, `classify.py` and `stress_test.py`."""
