"""Backups of a warehouse: a folder with copies of one moment and a manifest, and the way back."""
