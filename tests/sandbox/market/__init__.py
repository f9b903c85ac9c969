"""tests/sandbox/market."""
