"""The rate limit and the quota of a key, shared by all processes of a machine."""
