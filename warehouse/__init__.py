"""Where prices stay: landing, load, publish, query. Knows neither httpx nor Prefect."""
