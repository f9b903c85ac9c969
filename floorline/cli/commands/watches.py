"""The commands `floorline watches list` and `check`."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from floorline.cli.completion import complete_watches
from floorline.cli.options import AsJson, ConfigFile

HAS_ROWS: Final = 13
BROKEN: Final = 14
watches_app = typer.Typer(help="Your own alerts: prices, spreads, tests of the data.", no_args_is_help=True)
Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="WATCH", help="Watches; all by default.", autocompletion=complete_watches),
]


@watches_app.command("list", epilog="Example: floorline watches list")
def watches_list(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """List the watches, and what the last load found.

    The state is `rows` while rows match, and `broken` while the query fails.
    """
    from floorline.cli.outputs.watches import WatchOutput
    from floorline.cli.render.watches import print_watches
    from pipelines.config import load_settings
    from warehouse.state.alerts import read_alerts
    from warehouse.state.database import open_state

    settings = load_settings(config)
    alerts = read_alerts(open_state(settings.paths), open_only=True)
    print_watches([WatchOutput.of(watch, alerts) for watch in settings.watches], as_json=as_json)


@watches_app.command("check", epilog="Example: floorline watches check cheap-redline")
def watches_check(names: Names = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Run watches now, and show their rows; no alert is raised.

    The exit code is 13 if a watch has rows, and 14 if a query fails or runs over its time limit.
    """
    from floorline.cli.render.watches import print_watch_results
    from pipelines.config import load_settings
    from pipelines.watches.runner import run_watches

    settings = load_settings(config)
    results = run_watches(settings.paths, settings.select_watches(tuple(names or ())))
    print_watch_results(results, as_json=as_json)
    broken, matched = any(r.failure for r in results), any(r.found.rows for r in results)
    raise typer.Exit(BROKEN if broken else HAS_ROWS if matched else 0)
