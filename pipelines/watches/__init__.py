"""Watches: the conditions of the configuration that raise an alert while rows of the record match them."""
