"""Tests of pipelines.alerts."""
