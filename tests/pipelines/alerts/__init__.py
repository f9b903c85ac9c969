"""tests/pipelines/alerts."""
