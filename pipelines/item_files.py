"""The items of a basket or a request: names, ids and globs, some of them in files with one a line."""

from __future__ import annotations

from pathlib import Path

from common.errors import ConfigError
from common.text import COMMENT, unquote
from pipelines.config import BasketSettings


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
        if (path := _file_of(item, base)) is None:
            expanded.append(item)
        else:
            lines = _read_lines(path, owner)
            expanded.extend(unquote(line) for line in lines if not COMMENT.fullmatch(line))
    return tuple(expanded)


def comments_of(items: tuple[str | int, ...], base: Path, owner: str) -> list[str]:
    """Return the comments in the files that `items` name. Raises as `expand_files`."""
    paths = filter(None, (_file_of(item, base) for item in items))
    return [line for path in paths for line in _read_lines(path, owner) if COMMENT.fullmatch(line)]


def _file_of(item: str | int, base: Path) -> Path | None:
    is_file = isinstance(item, str) and item.startswith("file:")
    return base / Path(str(item).removeprefix("file:")).expanduser() if is_file else None


def _read_lines(path: Path, owner: str) -> list[str]:
    """Return the lines of a file that are not blank, without the blanks around them."""
    try:
        lines = path.read_text("utf-8-sig").split("\n")  # a name may contain the other line breaks of Unicode
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{owner}: {path} cannot be read: {error}") from None
    return [text for line in lines if (text := line.strip())]
