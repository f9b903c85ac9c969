"""The market snapshot: extract the planned shards of each basket and land their pages."""
