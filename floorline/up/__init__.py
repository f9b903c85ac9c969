"""`floorline up`: the supervisor and its processes."""
