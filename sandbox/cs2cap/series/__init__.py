"""CS2Cap's history, candles and sales."""
