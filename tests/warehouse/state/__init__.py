"""tests/warehouse/state."""
