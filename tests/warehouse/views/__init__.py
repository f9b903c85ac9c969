"""tests/warehouse/views."""
