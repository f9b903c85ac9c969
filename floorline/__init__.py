"""Floorline: the application, and `floorline.open`: the prices of a warehouse as Polars frames."""

from __future__ import annotations

import resource
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from floorline.market import Market

# Python would cut the compiled modules that it writes at the limit, and no later command could start.
if resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY:
    sys.dont_write_bytecode = True

__all__ = ["Market", "open"]


def open(path: str | Path = "data", *, currency: str = "USD") -> Market:  # noqa: A001 - floorline.open
    """Open the published database of the warehouse in the folder `path`, or a file of `floorline export`.

    `path` may also be a floorline.toml: the warehouse of its configuration, also one that machines share.
    Amounts are those in `currency`. Raises NotPublished, and PublishedUnreadable for a damaged file.
    """
    from floorline.market import Market  # so that `import floorline` stays light

    return Market(path, currency)


def __getattr__(name: str) -> object:
    """Import the class Market when it is first named."""
    if name == "Market":
        from floorline.market import Market

        return Market
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
