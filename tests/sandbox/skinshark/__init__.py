"""tests/sandbox/skinshark."""
