"""Tests of the checks and the metrics for monitors."""
