"""How to talk to a price API: authenticate, page, retry, classify, type. Knows neither Prefect nor DuckDB."""
