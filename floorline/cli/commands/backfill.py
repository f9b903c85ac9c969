"""The commands `floorline backfill ...`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperGroup

from floorline.cli.options import LATEST, AsJson, ConfigFile, Quiet, WithPrefect

if TYPE_CHECKING:
    from pipelines.backfill.request import BackfillRequest
    from pipelines.config import Settings
    from warehouse.state.backfill_rows import BackfillRecord
    from warehouse.state.backfills import BackfillStore


class OptionalValueGroup(TyperGroup):
    """A command group whose `--resume` may come without a value, which then is the latest backfill."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - typer hides its type
        """Insert the value that `--resume` leaves out."""
        # Typer has no option with an optional value.
        if "--resume" in args:
            after = args[args.index("--resume") + 1 :][:1]
            if not after or after[0].startswith("-"):
                args.insert(args.index("--resume") + 1, LATEST)
        return super().parse_args(ctx, args)


backfill_app = typer.Typer(
    cls=OptionalValueGroup,
    invoke_without_command=True,
)
BackfillId = Annotated[
    str, typer.Argument(metavar="ID", help="The backfill's id, as `backfill list` prints it.")
]
Start = Annotated[str | None, typer.Option("--from", help="The start (UTC), inclusive.")]
End = Annotated[str | None, typer.Option("--to", help="The end (UTC), exclusive; now by default.")]
Items = Annotated[
    list[str] | None,
    typer.Option(metavar="ITEM", help="A name, id, glob, file:PATH, or all; repeat it for more items."),
]
Providers = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY", help="A provider's key, or several with commas; all by default."),
]
Currency = Annotated[
    str | None, typer.Option(help="USD, which is the default: the API rounds its history in any other.")
]
SourceName = Annotated[str | None, typer.Option(help="The name of the source, if there is more than one.")]
Series = Annotated[
    Literal["points", "candles", "sales", "daily"],
    typer.Option(help="Price history, candles of all markets, sales, or daily prices of years."),
]
Interval = Annotated[Literal["5m", "1h", "1d"] | None, typer.Option(help="The length of a candle.")]
Budget = Annotated[
    int | None,
    typer.Option(min=1, metavar="REQUESTS", help="Stop after this number of requests, with exit code 5."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the plan and its cost, and use none of the month's quota.")
]
Resume = Annotated[
    str | None,
    typer.Option("--resume", metavar="[ID]", help="Resume this backfill; the latest by default."),
]
FillGaps = Annotated[
    bool, typer.Option("--gaps", help="Fill the gaps that `floorline gaps` finds, as far as the API can.")
]


@backfill_app.callback(epilog="Example: floorline backfill --from 2026-10-20 --items all --dry-run")
def backfill(  # noqa: PLR0913, PLR0917 - one argument per option
    context: typer.Context,
    start: Start = None,
    end: End = None,
    items: Items = None,
    providers: Providers = None,
    currency: Currency = None,
    source: SourceName = None,
    series: Series = "points",
    interval: Interval = None,
    budget: Budget = None,
    dry_run: DryRun = False,
    resume: Resume = None,
    gaps: FillGaps = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
    prefect: WithPrefect = None,
    quiet: Quiet = False,
) -> None:
    """Backfill past prices from the API's history.

    The same command resumes an interrupted backfill.
    """
    if context.invoked_subcommand is not None:
        return
    from floorline.cli.backfill_runner import run_backfills
    from floorline.cli.commands.backfill_options import build_requests
    from floorline.cli.execution import connected_settings, runs_as_flow

    keys = tuple(key.strip() for given in providers or () for key in given.split(","))
    fields = {
        "start": start,
        "end": end,
        "items": items or None,
        "providers": keys or None,
        "currency": currency,
        "source": source,
        "series": series,
        "interval": interval,
    }
    as_flow = runs_as_flow(prefect)
    settings = connected_settings(config)
    requests = build_requests(settings, fields, resume=resume, gaps=gaps, budget=budget)
    if dry_run:
        _print_dry_run(requests, settings, as_json=as_json)
    else:
        run_backfills(requests, settings, config, as_json=as_json, as_flow=as_flow, quiet=quiet)


@backfill_app.command("list", epilog="Example: floorline backfill list")
def backfill_list(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the backfills and their progress, newest first."""
    from floorline.cli.commands.backfill_options import find_backfill_store
    from floorline.cli.render.backfill import print_list
    from pipelines.config import load_settings

    store = find_backfill_store(load_settings(config))
    records = store.list_all() if store else []
    print_list([(record, _holder(store, record)) for record in records], as_json=as_json)


@backfill_app.command("show", epilog="Example: floorline backfill show 20261020-a1b2c3")
def backfill_show(backfill_id: BackfillId, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show one backfill, and why shards are incomplete."""
    from floorline.cli.render.backfill import print_backfill

    store = _store_with(config, backfill_id)
    record = store.get(backfill_id)
    print_backfill(record, store.list_shards(backfill_id), _holder(store, record), as_json=as_json)


@backfill_app.command("cancel", epilog="Example: floorline backfill cancel 20261020-a1b2c3")
def backfill_cancel(backfill_id: BackfillId, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Cancel a backfill; loaded rows stay.

    A process that runs the backfill stops at its next page.
    """
    from common.errors import ConfigError
    from floorline.cli.render.backfill import print_cancelled

    store = _store_with(config, backfill_id)
    if store.get(backfill_id).state == "done":
        raise ConfigError(f"backfill {backfill_id} is done: there is nothing to cancel")
    holder = store.lock_holder(backfill_id)
    print_cancelled(store.cancel(backfill_id), holder, as_json=as_json)


def _print_dry_run(requests: list[BackfillRequest], settings: Settings, *, as_json: bool) -> None:
    """Print the plans of the requests; exit with 0 if the month's quota is enough, else with 5."""
    import asyncio

    from floorline.cli.render.backfill import print_plans
    from pipelines.backfill.pipeline import BackfillPipeline

    plans = [asyncio.run(BackfillPipeline(settings, request).plan()) for request in requests]
    print_plans(plans, as_json=as_json)
    raise typer.Exit(0 if all(plan.fits for plan in plans) else 5)


def _store_with(config: Path | None, backfill_id: str) -> BackfillStore:
    from common.errors import ConfigError
    from floorline.cli.commands.backfill_options import find_backfill_store
    from pipelines.config import load_settings

    store = find_backfill_store(load_settings(config))
    if store is None:
        raise ConfigError(f"there is no backfill {backfill_id!r}: no backfill was started yet")
    return store


def _holder(store: BackfillStore | None, record: BackfillRecord) -> str | None:
    """Return the process that runs a backfill now, None if no process does."""
    return store.lock_holder(record.backfill_id) if store and record.state == "running" else None
