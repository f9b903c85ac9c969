"""tests/pipelines/snapshot."""
