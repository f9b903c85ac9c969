"""What is done, from configuration to load, without a scheduler."""
