"""Connectors to price APIs: authentication, pagination, retries, typed rows. No Prefect, no DuckDB."""
