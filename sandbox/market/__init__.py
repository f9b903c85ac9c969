"""The market behind both APIs."""
