"""The command `floorline sandbox`."""

from __future__ import annotations

import errno
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

A_YEAR: Final = 365 * 86_400  # seconds

Port = Annotated[int, typer.Option(min=0, max=65_535, metavar="PORT", help="0: any free port.")]
Tier = Annotated[
    Literal["free", "starter", "pro", "quant"], typer.Option(help="The plan of the sandbox's CS2Cap key.")
]
Merchant = Annotated[
    Literal["standard", "premium", "enterprise"], typer.Option(help="The tier at SkinShark.")
]
Phases = Annotated[Literal["old", "new"], typer.Option(help="The shape of SkinShark's responses.")]
SubUser = Annotated[
    Literal["optional", "required"], typer.Option(help="Whether SkinShark's routes need On-Behalf-Of.")
]
Items = Annotated[int, typer.Option(min=1, max=35_000, metavar="ITEMS", help="Catalog entries.")]
Quotes = Annotated[int | None, typer.Option(help="The exact number of quotes in the catalog.")]
Seed = Annotated[int, typer.Option(help="The seed of the market's random numbers.")]
Refresh = Annotated[
    float,
    typer.Option(
        min=0, max=A_YEAR, metavar="SECONDS", help="Time between refreshes of the index; 0: immediately."
    ),
]
Moving = Annotated[
    float, typer.Option(min=0, max=1, metavar="SHARE", help="The quotes that change at each refresh.")
]
Limits = Annotated[bool, typer.Option("--limits/--no-limits", help="Enforce the minute and month limits.")]
Windows = Annotated[Literal["fixed", "sliding", "both"], typer.Option(help="How the minute limit counts.")]
Market = Annotated[Path | None, typer.Option(help="Replay the real prices of this Parquet file.")]
Frozen = Annotated[datetime | None, typer.Option(help="Freeze the clock at this time (UTC).")]
RenderAhead = Annotated[bool, typer.Option("--render-ahead", help="Render the pages before serving.")]


def sandbox(  # noqa: PLR0913, PLR0917 - one argument per option
    port: Port = 8765,
    tier: Tier = "pro",
    merchant: Merchant = "standard",
    phases: Phases = "old",
    sub_user: SubUser = "optional",
    items: Items = 1000,
    quotes: Quotes = None,
    seed: Seed = 1,
    refresh: Refresh = 300.0,
    moving: Moving = 0.02,
    limits: Limits = True,
    windows: Windows = "fixed",
    market: Market = None,
    frozen: Frozen = None,
    render_ahead: RenderAhead = False,
) -> None:
    """Serve look-alikes of both price APIs on this machine.

    They have the rules of the APIs, and a market of their own. No key and no account is needed.
    """
    from common.errors import ConfigError
    from sandbox.options import Options
    from sandbox.server import run

    try:
        run(
            Options(
                port=port,
                tier=tier,
                merchant=merchant,
                phases=phases,
                sub_user=sub_user,
                items=items,
                quotes=quotes,
                seed=seed,
                refresh=refresh,
                moving=moving,
                limits=limits,
                windows=windows,
                market=market,
                frozen=frozen.replace(tzinfo=UTC) if frozen else None,
                render_ahead=render_ahead,
            )
        )
    except OSError as error:
        reason = "another program uses it" if error.errno == errno.EADDRINUSE else error.strerror
        raise ConfigError(
            f"the sandbox cannot use port {port}: {reason}; choose another with --port"
        ) from None
    except ValueError as error:
        raise ConfigError(f"the sandbox cannot start with these options: {error}") from None
