"""Which requests a snapshot or a backfill needs, and what they cost."""
