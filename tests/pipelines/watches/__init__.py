"""tests/pipelines/watches."""
