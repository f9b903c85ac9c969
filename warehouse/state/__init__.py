"""The state that processes share in state.db: alerts, backfills with their checkpoints, and coverage."""
