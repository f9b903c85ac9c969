"""Write values into SQL where it takes no parameter."""

from __future__ import annotations


def quote_text(text: str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
