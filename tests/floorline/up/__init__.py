"""tests/floorline/up."""
