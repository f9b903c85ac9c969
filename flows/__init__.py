"""What runs: snapshots, configuration, alerts, the command line. Orchestrates; computes nothing."""
