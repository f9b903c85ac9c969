"""Tests of `floorline up`."""
