"""The price APIs on loopback, with their real rules and faults on request. Imports no other package."""
