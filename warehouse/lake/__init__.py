"""The shared warehouse as a DuckLake: a catalog in PostgreSQL, and Parquet files in an object store."""
