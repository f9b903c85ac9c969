"""The commands `floorline backfill ...`. Heavy libraries are imported by the command that needs them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from floorline.cli.options import LATEST, AsJson, ConfigFile, WithPrefect


class OptionalValueGroup(TyperGroup):
    """A group whose `--resume` may stand alone: it then means the latest."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer hides its type
        """Put in what `--resume` leaves out."""
        if "--resume" in args:
            after = args[args.index("--resume") + 1 :][:1]
            if not after or after[0].startswith("-"):
                args.insert(args.index("--resume") + 1, LATEST)
        return super().parse_args(ctx, args)


class Series(StrEnum):
    """What can be fetched of the past."""

    points = "points"
    candles = "candles"
    sales = "sales"


class Interval(StrEnum):
    """How long a candle lasts."""

    five_minutes = "5m"
    hour = "1h"
    day = "1d"


backfill_app = typer.Typer(
    cls=OptionalValueGroup,
    invoke_without_command=True,
    help="Fill the past with what the API still has, and go on where a run stopped.",
)
BackfillId = Annotated[str, typer.Argument(metavar="ID", help="The backfill, as `backfill list` shows it.")]


@backfill_app.callback()
def backfill(  # noqa: PLR0913, PLR0917 - one argument an option
    context: typer.Context,
    start: Annotated[str | None, typer.Option("--from", help="The first moment (UTC), inclusive.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The last moment (UTC), exclusive; or now.")] = None,
    items: Annotated[
        list[str] | None,
        typer.Option(help="A name, id, glob, file:PATH, or all; give it as often as there are items."),
    ] = None,
    providers: Annotated[
        list[str] | None, typer.Option(help="A provider's key, or several with commas; all by default.")
    ] = None,
    currency: Annotated[str | None, typer.Option(help="USD by default.")] = None,
    source: Annotated[str | None, typer.Option(help="A source by name, where there are several.")] = None,
    series: Annotated[Series, typer.Option(help="Raw history, candles of all markets, or sales.")] = (
        Series.points
    ),
    interval: Annotated[Interval | None, typer.Option(help="How long a candle lasts.")] = None,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many requests, with exit code 5.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and its cost, and spend nothing of the month.")
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option("--resume", metavar="[ID]", help="Go on with this backfill, or with the latest."),
    ] = None,
    gaps: Annotated[
        bool, typer.Option("--gaps", help="Fill what `floorline gaps` finds, as far as the API has it.")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
    prefect: WithPrefect = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No plan and no progress bar.")] = False,
) -> None:
    """Fill the past with what the API still has; the same command goes on where a run stopped."""
    if context.invoked_subcommand is not None:
        return
    from floorline.cli.commands import backfill, backfill_options

    asked = backfill_options.BackfillOptions(
        start=start,
        end=end,
        items=tuple(items or ()),
        providers=tuple(key.strip() for keys in providers or () for key in keys.split(",")),
        currency=currency,
        source=source,
        series=series.value,
        interval=interval.value if interval else None,
        budget=budget,
        resume=resume,
        gaps=gaps,
    )
    if dry_run:
        raise typer.Exit(backfill.dry_run(asked, config, as_json=as_json))
    raise typer.Exit(backfill.run(asked, config, as_json=as_json, prefect=prefect, quiet=quiet))


@backfill_app.command("list")
def backfill_list(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the backfills, the newest first, and how far each is."""
    from floorline.cli.commands import backfill

    backfill.list_backfills(config, as_json=as_json)


@backfill_app.command("show")
def backfill_show(backfill_id: BackfillId, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show one backfill: what was asked for, its shards, and why some are not whole."""
    from floorline.cli.commands import backfill

    backfill.show_backfill(backfill_id, config, as_json=as_json)


@backfill_app.command("cancel")
def backfill_cancel(backfill_id: BackfillId, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Give a backfill up; what it brought stays, and who runs it stops with the next page."""
    from floorline.cli.commands import backfill

    backfill.cancel(backfill_id, config, as_json=as_json)
