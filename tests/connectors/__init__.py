"""Tests of the package `connectors`."""
