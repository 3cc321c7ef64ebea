"""Tools around the service: `make run`, the embedded Redis, and a request's timeline."""
