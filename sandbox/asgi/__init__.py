"""The APIs as ASGI applications."""
