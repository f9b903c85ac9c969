"""tests/warehouse/queries."""
