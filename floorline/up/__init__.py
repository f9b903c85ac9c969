"""`floorline up`."""
