"""End-to-end tests: killed processes, real prices, and `floorline up`."""
