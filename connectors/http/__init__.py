"""Authenticated, rate-limited and retried HTTP. Only `transport` imports httpx, only `retry` tenacity."""
