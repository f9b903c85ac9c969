"""tests/common."""
