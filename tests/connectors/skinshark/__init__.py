"""Tests of the package `connectors.skinshark`."""
