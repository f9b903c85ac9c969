"""tests/warehouse."""
