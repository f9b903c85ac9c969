"""Maintenance of the loader's database: sealed months, compaction, verification, sizes."""
