"""tests/pipelines/live."""
