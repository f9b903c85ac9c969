"""tests/connectors/ratelimit."""
