"""An HTTP server that hands only whole requests to threads, and stays within bounds of time and memory."""
