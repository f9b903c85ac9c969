"""tests/connectors/cs2cap/series."""
