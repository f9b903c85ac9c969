"""Tests of the package `connectors.http`."""
