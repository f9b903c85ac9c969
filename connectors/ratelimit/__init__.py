"""The rate limit and the quota of one key, shared by all processes of a machine."""
