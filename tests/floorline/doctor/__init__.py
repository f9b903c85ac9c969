"""Tests of the checks of `floorline doctor`."""
