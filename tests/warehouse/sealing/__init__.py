"""tests/warehouse/sealing."""
