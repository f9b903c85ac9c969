"""`floorline doctor`."""
