"""CS2Cap's rules."""
