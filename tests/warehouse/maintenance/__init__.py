"""tests/warehouse/maintenance."""
