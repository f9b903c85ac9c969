"""The suite of `make bench`: Floorline beside its rivals, in turn, in one run."""
