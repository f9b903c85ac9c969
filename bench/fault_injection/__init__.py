"""Break a shared warehouse, with real PostgreSQL and an S3 server, and check what must hold nevertheless."""
