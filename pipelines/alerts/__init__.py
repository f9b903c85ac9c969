"""Alerts: the rules that raise and resolve them, their delivery, and the auth breaker."""
