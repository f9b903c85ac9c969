"""tests/pipelines/backfill."""
