"""tests/floorline/cli."""
