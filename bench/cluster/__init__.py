"""Many machines: the runs of two machines while processes are killed, and what they leave."""
