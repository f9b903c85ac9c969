"""tests/warehouse/landing."""
