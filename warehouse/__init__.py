"""The storage: landings on disk, loads into DuckDB, the published copy and its queries, and state.db."""
