"""Benchmarks: ratios within one run, each with the command that repeats it."""
