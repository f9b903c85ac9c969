"""The live feeds: follow them, land what they tell in micro-batches, and load these every few seconds."""
