"""tests/warehouse/loading."""
