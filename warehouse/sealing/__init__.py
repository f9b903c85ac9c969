"""Sealed months: the history of the months that are over, in sorted files beside the database."""
