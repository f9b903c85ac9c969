"""tests/sandbox/cs2cap."""
