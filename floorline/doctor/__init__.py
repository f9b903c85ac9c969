"""The checks of `floorline doctor`."""
