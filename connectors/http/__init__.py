"""Authenticated, bounded, retried HTTP. Only `transport` knows httpx, only `retry` tenacity."""
