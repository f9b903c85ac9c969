"""Alerts: raised, delivered, resolved."""
