"""tests/connectors/cs2cap."""
