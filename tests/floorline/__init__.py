"""Tests of the command line, the doctor, the key commands and `floorline up`."""
