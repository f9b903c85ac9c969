"""Benchmarks: ratios inside one run, each with the command that repeats it."""
