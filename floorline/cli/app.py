"""The command `floorline`. Heavy libraries are imported by the command that needs them."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from floorline.cli.backfill_group import backfill_app
from floorline.cli.groups import alerts_app, key_app, maintain_app, rejects_app
from floorline.cli.options import AsJson, ConfigFile, WithPrefect

app = typer.Typer(
    name="floorline",
    help="A private, queryable record of what every CS2 item costs on every marketplace.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(backfill_app, name="backfill")
app.add_typer(alerts_app, name="alerts")
app.add_typer(rejects_app, name="rejects")
app.add_typer(maintain_app, name="maintain")
app.add_typer(key_app, name="key")


@app.command()
def snapshot(
    baskets: Annotated[
        list[str] | None, typer.Argument(help="Baskets by name; all of them by default.")
    ] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
    prefect: WithPrefect = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bars.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Begin even what cannot fit into what is left of the month.")
    ] = False,
) -> None:
    """Take a market snapshot of the configured baskets: fetch, land, load, publish."""
    from floorline.cli.commands import snapshot

    names = tuple(baskets or ())
    raise typer.Exit(
        snapshot.snapshot(names, config, as_json=as_json, prefect=prefect, quiet=quiet, force=force)
    )


@app.command()
def plan(
    config: ConfigFile = None,
    as_json: AsJson = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask no API anything: tiers and catalogs must be at hand.")
    ] = False,
) -> None:
    """Show what the baskets will cost in a month, by which routes, and whether it fits; exit 5 if not."""
    from floorline.cli.commands import plan

    raise typer.Exit(plan.plan(config, as_json=as_json, offline=offline))


@app.command()
def gaps(
    config: ConfigFile = None,
    as_json: AsJson = False,
    basket: Annotated[list[str] | None, typer.Option(help="Baskets by name; all of them by default.")] = None,
    since: Annotated[
        datetime | None, typer.Option(help="From here on (UTC); each basket's first run by default.")
    ] = None,
) -> None:
    """Show when a basket was not looked at in time, why, and what the API can still give of it."""
    from floorline.cli.commands import gaps

    gaps.gaps(tuple(basket or ()), config, since, as_json=as_json)


@app.command()
def status(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show each basket's last runs, the open alerts and the landings that wait."""
    from floorline.cli.commands import query

    query.status(config, as_json=as_json)


@app.command()
def doctor(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Try everything that snapshots need, and say what to do about it; exit 1 if something fails."""
    from floorline.doctor.runner import doctor

    raise typer.Exit(doctor(config, as_json=as_json))


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help="One query; the views are listed in docs/warehouse.md.")],
    config: ConfigFile = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print the result as CSV.")] = False,
) -> None:
    """Ask the published database, read-only."""
    from floorline.cli.commands import query

    query.query(sql, config, as_json=as_json, as_csv=as_csv)


@app.command()
def export(
    to: Annotated[Path, typer.Argument(help="A new file (.duckdb), or a new folder for Parquet.")],
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Write everything to one DuckDB file, or to a folder with a Parquet file a view."""
    from floorline.cli.commands import maintain

    maintain.export(to, config, as_json=as_json)


@app.command()
def sandbox(  # noqa: PLR0913, PLR0917 - one argument an option
    port: Annotated[int, typer.Option(help="0: any free port.")] = 8765,
    tier: Annotated[
        str, typer.Option(help="The plan of the sandbox's key: free, starter, pro, quant.")
    ] = "pro",
    merchant: Annotated[
        str, typer.Option(help="The tier at SkinShark: standard, premium, enterprise.")
    ] = "standard",
    items: Annotated[int, typer.Option(help="Catalog entries, 1 to 35,000.")] = 1000,
    quotes: Annotated[int | None, typer.Option(help="Exactly so many quotes in the catalog.")] = None,
    seed: Annotated[int, typer.Option(help="The market's seed.")] = 1,
    refresh: Annotated[
        float, typer.Option(help="Seconds between refreshes of the index; 0: at once.")
    ] = 300.0,
    moving: Annotated[float, typer.Option(help="The share of quotes that moves at each refresh.")] = 0.02,
    limits: Annotated[
        bool, typer.Option("--limits/--no-limits", help="Enforce the minute and the month.")
    ] = True,
    windows: Annotated[str, typer.Option(help="The minute's windows: fixed, sliding, both.")] = "fixed",
    market: Annotated[Path | None, typer.Option(help="Replay the real prices of this Parquet file.")] = None,
    frozen: Annotated[datetime | None, typer.Option(help="Freeze the clock at this moment (UTC).")] = None,
    render_ahead: Annotated[bool, typer.Option("--render-ahead", help="Render the pages first.")] = False,
) -> None:
    """Serve look-alikes of both price APIs on loopback, with their rules and one market of their own."""
    from floorline.cli.commands import sandbox

    sandbox.sandbox(
        port=port, tier=tier, merchant=merchant, items=items, quotes=quotes, seed=seed, refresh=refresh,
        moving=moving, limits=limits, windows=windows, market=market, frozen=frozen,
        render_ahead=render_ahead,
    )  # fmt: skip


@app.command()
def up(
    config: ConfigFile = None,
    port: Annotated[int, typer.Option(help="Where Prefect's server listens, on loopback.")] = 4200,
    workers: Annotated[int, typer.Option(min=1, max=16, help="So many workers.")] = 1,
) -> None:
    """Run everything on schedule: a Prefect server, the deployments, a worker. Ctrl-C stops it all."""
    from floorline.up.run import run_until_stopped as run

    raise typer.Exit(run(config, port, workers))


@app.command()
def deployments(
    config: ConfigFile = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only see whether the file is up to date; exit code 1 if not.")
    ] = False,
    to: Annotated[Path, typer.Option(help="The file.")] = Path("prefect.yaml"),
) -> None:
    """Write prefect.yaml, for `prefect deploy --all`: a deployment for each basket, and the nightly care."""
    from floorline.cli.commands import operate

    raise typer.Exit(operate.deployments(config, to, check=check))


@app.command()
def demo(
    path: Annotated[Path, typer.Option(help="Where the demo's database goes.")] = Path("demo-data"),
) -> None:
    """Run the main job against the sandbox: four snapshots, the last with a revoked key. Needs nothing."""
    from floorline.cli.commands.demo import run_demo

    raise typer.Exit(run_demo(path))


def main() -> None:
    """Run the command line; one clear line and an exit code for what is not a bug."""
    from floorline.console import explain_failure

    try:
        app(prog_name="floorline")
    except Exception as error:  # noqa: BLE001 - told() raises again what is a bug
        line, code = explain_failure(error)
        sys.stderr.write(f"floorline: {line}\n")
        sys.exit(code)
