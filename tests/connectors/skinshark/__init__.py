"""tests/connectors/skinshark."""
