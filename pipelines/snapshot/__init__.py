"""The market snapshot."""
