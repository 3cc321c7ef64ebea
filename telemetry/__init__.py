"""What is counted for Prometheus, and traced with OpenTelemetry."""
