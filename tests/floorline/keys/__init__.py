"""Tests of the key commands."""
