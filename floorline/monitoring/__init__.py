"""What a monitor asks: the status, its problems, and metrics."""
