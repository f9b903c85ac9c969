"""The backfill of history, candles and sales."""
