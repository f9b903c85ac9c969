"""Planning: the requests that a snapshot or a backfill needs, and their cost."""
