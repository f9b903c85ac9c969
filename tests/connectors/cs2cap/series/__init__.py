"""Tests of the package `connectors.cs2cap.series`."""
