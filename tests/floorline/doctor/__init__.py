"""tests/floorline/doctor."""
