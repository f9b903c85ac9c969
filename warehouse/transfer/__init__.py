"""Move a warehouse: its tables from a file into a lake and back, and its state into a shared database."""
