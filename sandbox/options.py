"""The options of a sandbox, in Python and on the command line."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Self

from sandbox.clock import parse_iso
from sandbox.cs2cap.feed.route import PING_SECONDS
from sandbox.cs2cap.keys import TIERS
from sandbox.cs2cap.rate_windows import WINDOWS
from sandbox.skinshark.api import SUB_USERS
from sandbox.skinshark.listing import SHAPES
from sandbox.skinshark.merchant import TOKENS

HISTORIES = ("changes", "dense")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one sandbox, for `serve`, `spawn` and `run`."""

    items: int = 1000
    seed: int = 1
    quotes: int | None = None
    tier: str = "pro"
    merchant: str = "standard"
    phases: str = "old"
    sub_user: str = "optional"
    limits: bool = True
    windows: str = "fixed"
    refresh: float = 300.0
    moving: float = 0.0
    moving_fx: bool = False
    market: Path | None = None
    history: str = "changes"
    history_every: float = 8640.0
    feed_ping: float = PING_SECONDS
    frozen: datetime | None = None
    render_ahead: bool = False
    port: int = 0

    def argv(self) -> list[str]:
        """Return the arguments of `python -m sandbox` for these options."""
        arguments: list[str] = []
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            flag = f"--{name.replace('_', '-')}"
            if name == "limits":
                arguments += [] if value else ["--no-limits"]
            elif isinstance(value, bool):
                arguments += [flag] if value else []
            elif value is not None:
                arguments += [flag, value.isoformat() if isinstance(value, datetime) else str(value)]
        return arguments

    @classmethod
    def parse(cls, argv: Sequence[str]) -> Self:
        """Parse arguments; wrong arguments end the process with a message and status 2."""
        return cls(**vars(_parser().parse_args(argv)))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sandbox", description="The price APIs on loopback.")
    add = parser.add_argument
    add("--items", type=int, default=1000, help="items of the catalog, 1 to 35,000")
    add("--seed", type=int, default=1, help="the market's seed")
    add("--quotes", type=int, help="exact number of quotes in the catalog")
    add("--tier", choices=TIERS, default="pro", help="the plan of the sandbox's own key")
    add("--merchant", choices=TOKENS, default="standard", help="the tier of SkinShark's merchant")
    add("--phases", choices=SHAPES, default="old", help="the shape of SkinShark's responses")
    add("--sub-user", choices=SUB_USERS, default="optional", help="whether SkinShark needs On-Behalf-Of")
    add("--no-limits", dest="limits", action="store_false", help="enforce no limits per minute and month")
    add("--windows", choices=WINDOWS, default="fixed", help="the windows of the limit per minute")
    add("--sliding", dest="windows", action="store_const", const="sliding", help="--windows sliding")
    add("--refresh", type=float, default=300.0, help="seconds between refreshes of the index; 0: at once")
    add("--moving", type=float, default=0.0, help="share of the quotes that move at each refresh")
    add("--moving-fx", action="store_true", help="exchange rates move at each refresh")
    add("--market", type=Path, help="replay the real prices of this Parquet file")
    add("--history", choices=HISTORIES, default="changes", help="points at changes, or dense: at every slot")
    add("--history-every", type=float, default=8640.0, help="seconds between changes before the start")
    add("--feed-ping", type=float, default=PING_SECONDS, help="seconds of silence before a feed sends a ping")
    add("--frozen", type=parse_iso, help="freeze the clock at this time (ISO 8601)")
    add("--render-ahead", action="store_true", help="render all pages of every provider before serving")
    add("--port", type=int, default=0, help="0: any free port")
    return parser
