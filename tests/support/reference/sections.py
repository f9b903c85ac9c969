"""The generated part of a document stands between two comments; what people write stands around it."""

from __future__ import annotations

from typing import Final

END: Final = "<!-- End of what `make docs` writes. -->\n"


def replace_section(page: str, begin: str, text: str) -> str:
    """Return the page with `text` between the line `begin`, which it has once, and the next line `END`.

    Raises ValueError where the page lacks one of the lines.
    """
    head, rest = page.split(begin)
    _, tail = rest.split(END, 1)
    return f"{head}{begin}\n{text}\n{END}{tail}"


def write_cell(text: str) -> str:
    """Return the text as the cell of a table: on one line, with its bars escaped."""
    return " ".join(text.split()).replace("|", "\\|")
