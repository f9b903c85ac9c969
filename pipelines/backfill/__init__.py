"""Backfill price history, candles and sales from the API, and find coverage gaps."""
