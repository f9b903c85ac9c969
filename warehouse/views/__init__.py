"""The public views and macros: their SQL, comments, and the states of quotes that they read."""
