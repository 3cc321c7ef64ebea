"""The worker's loop: take jobs, predict, publish results."""
