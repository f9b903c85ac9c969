"""A soak: snapshots for half an hour, with faults, kills and a moving market."""
