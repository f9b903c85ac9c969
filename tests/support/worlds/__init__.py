"""Random worlds: landings of runs, and an independent model of what the public views show of them."""
