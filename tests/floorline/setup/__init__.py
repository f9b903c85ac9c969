"""Tests of the first configuration of a user."""
