"""tests/connectors/http."""
