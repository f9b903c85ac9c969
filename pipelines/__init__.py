"""Pipelines: what a command or a flow does, from the configuration to the load. No scheduler."""
