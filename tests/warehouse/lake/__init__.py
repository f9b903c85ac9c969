"""Tests of the warehouse as a lake."""
