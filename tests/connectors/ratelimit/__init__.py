"""Tests of the package `connectors.ratelimit`."""
