"""state.db: alerts, backfill checkpoints, coverage."""
