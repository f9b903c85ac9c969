"""tests/floorline/keys."""
