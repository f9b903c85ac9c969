"""The CS2Cap connector."""
