"""tests/pipelines/planning."""
