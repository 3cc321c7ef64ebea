"""The parts of the two clients, `simple_request.py` and `stress_test.py`."""
