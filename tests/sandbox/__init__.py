"""tests/sandbox."""
