"""The commands of `floorline`, one file per group."""
