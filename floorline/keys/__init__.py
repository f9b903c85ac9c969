"""The key commands: status of the keys, rotation of a key, and where keys are stored."""
