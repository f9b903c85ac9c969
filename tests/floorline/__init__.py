"""tests/floorline."""
