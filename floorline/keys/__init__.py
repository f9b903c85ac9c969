"""`floorline key`."""
