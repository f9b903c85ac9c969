"""The items of a basket or a request: names, ids and globs, some of them in files with one a line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from common.errors import ConfigError
from common.files import expand_home, read_user_file
from common.text import COMMENT, escape, unquote
from pipelines.config import BasketSettings
from pipelines.config.secrets import ADVICE, find_key_line

FILE: Final = "file:"


def expand_items(basket: BasketSettings, base: Path) -> tuple[str | int, ...]:
    """Return the items of a basket as `expand_files` does. Raises ConfigError."""
    return expand_files(basket.items, base, f"basket {basket.name}")


def expand_files(items: tuple[str | int, ...], base: Path, owner: str) -> tuple[str | int, ...]:
    """Replace each "file:PATH" by the names in that file: one a line, in quotation marks or without.

    Blank lines and comments, `#` alone or before a blank, are left out. A relative path starts at `base`.
    Raises ConfigError with the `owner` of the items.
    """
    expanded: list[str | int] = []
    for item in items:
        if (file := _file_of(item)) is None:
            expanded.append(item)
        else:
            lines = _read_lines(file, base, owner)
            expanded.extend(unquote(line) for line in lines if not COMMENT.fullmatch(line))
    return tuple(expanded)


def list_files(baskets: Iterable[BasketSettings]) -> list[str]:
    """Return the paths of the item files that baskets name, as they are written there."""
    files = (_file_of(item) for basket in baskets for item in basket.items)
    return list(dict.fromkeys(filter(None, files)))


def comments_of(items: tuple[str | int, ...], base: Path, owner: str) -> list[str]:
    """Return the comments in the files that `items` name. Raises as `expand_files`."""
    files = filter(None, map(_file_of, items))
    return [line for file in files for line in _read_lines(file, base, owner) if COMMENT.fullmatch(line)]


def _file_of(item: str | int) -> str | None:
    return item.removeprefix(FILE) if isinstance(item, str) and item.startswith(FILE) else None


def _read_lines(file: str, base: Path, owner: str) -> list[str]:
    """Return the lines of a file that are not blank, without the blanks around them."""
    try:
        path = base / expand_home(file)
    except ConfigError as error:
        raise ConfigError(f"{owner}: {error.detail}") from None
    try:
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise ConfigError(f"{owner}: {path} is no regular file: write the items into one")
        text = read_user_file(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{owner}: {escape(file)} cannot be read: {_reason(error)}") from None
    if "\0" in text:  # as the files of /proc have it, which may hold secrets: no message must show a part
        raise ConfigError(f"{owner}: {escape(file)} cannot be read: it is no text")
    if line := find_key_line(text):
        raise ConfigError(f"{owner}: {escape(file)}: line {line} {ADVICE}")
    # A name may contain the other line breaks of Unicode.
    return [stripped for line in text.split("\n") if (stripped := line.strip())]


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "its path is not valid"
