"""Durable files that hold what was fetched, until it is loaded and for some days after."""
