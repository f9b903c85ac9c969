"""The live feeds: what a follower loses, how late it is, and what it uses."""
