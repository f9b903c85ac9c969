"""Price history, candles and sales of CS2Cap."""
