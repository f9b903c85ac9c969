"""What JSON lines amount to, counted in their text alone: enough to see later that nothing in them was new.

A parser that reads the fields it knows does not say that there were others, nor that a number was a text. The
counts do: so many fields, of which so many are texts, and so many null.
"""

from dataclasses import dataclass
from typing import Final

# What is left of a field once the rest is dropped: "": and a quote behind it where its value is a text.
_DROPPED: Final = bytes(set(range(256)) - set(b'":,\n'))


@dataclass(frozen=True, slots=True)
class Tally:
    """Lines, fields, and how many of these are texts and how many null; what is neither is a number."""

    rows: int = 0
    fields: int = 0
    texts: int = 0
    nulls: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.rows + other.rows,
            self.fields + other.fields,
            self.texts + other.texts,
            self.nulls + other.nulls,
        )


def tally_of(lines: bytes) -> Tally:
    """Count whole `lines`, each with its end, of rows whose fields have neither , nor : in their names.

    Escaped quotes make it count too many, never too few.
    """
    bones = lines.translate(None, _DROPPED)
    rows, fields, texts = bones.count(b"\n"), bones.count(b'"":'), bones.count(b'"":"')
    nulls = lines.count(b'":null') + lines.count(b'": null')
    return Tally(rows, fields, texts, nulls)
