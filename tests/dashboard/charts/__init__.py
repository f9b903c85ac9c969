"""tests/dashboard/charts."""
