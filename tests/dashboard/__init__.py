"""tests/dashboard."""
