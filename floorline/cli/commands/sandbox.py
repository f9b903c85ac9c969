"""The command `floorline sandbox`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer


def sandbox(  # noqa: PLR0913, PLR0917 - one argument per option
    port: Annotated[int, typer.Option(help="0: any free port.")] = 8765,
    tier: Annotated[
        str, typer.Option(help="The plan of the sandbox's CS2Cap key: free, starter, pro, quant.")
    ] = "pro",
    merchant: Annotated[
        str, typer.Option(help="The tier at SkinShark: standard, premium, enterprise.")
    ] = "standard",
    items: Annotated[int, typer.Option(help="Catalog entries, 1 to 35,000.")] = 1000,
    quotes: Annotated[int | None, typer.Option(help="The exact number of quotes in the catalog.")] = None,
    seed: Annotated[int, typer.Option(help="The seed of the market's random numbers.")] = 1,
    refresh: Annotated[
        float, typer.Option(help="Seconds between refreshes of the index; 0: immediately.")
    ] = 300.0,
    moving: Annotated[float, typer.Option(help="The share of quotes that changes at each refresh.")] = 0.02,
    limits: Annotated[
        bool, typer.Option("--limits/--no-limits", help="Enforce the minute and month limits.")
    ] = True,
    windows: Annotated[
        str, typer.Option(help="How the minute limit counts: fixed, sliding, both.")
    ] = "fixed",
    market: Annotated[Path | None, typer.Option(help="Replay the real prices of this Parquet file.")] = None,
    frozen: Annotated[datetime | None, typer.Option(help="Freeze the clock at this time (UTC).")] = None,
    render_ahead: Annotated[
        bool, typer.Option("--render-ahead", help="Render the pages before serving.")
    ] = False,
) -> None:
    """Serve imitations of both price APIs on loopback, with their rules and a market of their own."""
    from common.errors import ConfigError
    from sandbox.options import Options
    from sandbox.server import run

    try:
        run(
            Options(
                port=port,
                tier=tier,
                merchant=merchant,
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
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(f"the sandbox cannot start with these options: {error}") from None
