"""tests/connectors."""
