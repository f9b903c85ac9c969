"""The command `floorline demo`: four snapshots against the sandbox, as Prefect flow runs in one process."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from floorline import console
from floorline.up.environment import NO_TELEMETRY

if TYPE_CHECKING:
    from pipelines.results import RunResult
    from sandbox.core import Sandbox

QUIET: Final = {
    **NO_TELEMETRY,
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
}
KEY_NAME: Final = "FLOORLINE_DEMO_KEY"
CONFIG: Final = """\
[warehouse]
path = "."

[sources.cs2cap]
base_url = "{url}"
key = "env:{key_name}"

[[baskets]]
name = "market"
source = "cs2cap"
items = ["all"]
providers = ["steam", "buff163", "csfloat", "skinport", "youpin", "dmarket"]
currencies = ["USD"]
every = "10m"

[[baskets]]
name = "karambits"
source = "cs2cap"
items = ["★ Karambit | *"]
providers = ["all"]
currencies = ["USD", "EUR", "BTC"]
every = "10m"
"""
QUERIES: Final = (
    (
        "Where is each knife cheapest, and by how much?",
        """SELECT item, min(price) AS lowest_ask, arg_min(provider, price) AS provider,
    max(price) - min(price) AS spread
FROM quotes
WHERE currency = 'USD' AND market_hash_name LIKE '★ Karambit | %' AND NOT aggregate
GROUP BY ALL
ORDER BY spread DESC
LIMIT 5""",
    ),
    (
        "Which prices changed most between the snapshots?",
        """SELECT item, provider, arg_min(price, valid_from) AS was,
    arg_max(price, valid_from) AS now, round(100 * (now / was - 1), 1) AS percent
FROM quote_history
WHERE currency = 'USD' AND price > 0
GROUP BY item, provider
HAVING count(*) > 1
ORDER BY abs(percent) DESC
LIMIT 5""",
    ),
)


def demo(
    path: Annotated[
        Path, typer.Option(help="The folder of the demo's database; that of an earlier demo is replaced.")
    ] = Path("demo-data"),
) -> None:
    """Take four snapshots of the sandbox; needs no account.

    Shows the main job in a minute: the market moves between the snapshots, and the last has a revoked key.
    """
    import tempfile

    from floorline.up.access import protect_temporary_server

    _prepare_folder(path)
    with tempfile.TemporaryDirectory(prefix="floorline-demo-") as prefect_home:
        # Prefect reads these variables when the flow is imported.
        os.environ.update(QUIET, PREFECT_HOME=prefect_home)
        for name in ("PREFECT_API_URL", "PREFECT_PROFILE"):
            os.environ.pop(name, None)
        protect_temporary_server()
        succeeded = _run_demo(path)
    raise typer.Exit(0 if succeeded else 1)


def _prepare_folder(path: Path) -> None:
    """Empty the folder of an earlier demo, or create it. Raises ConfigError where there are other files."""
    from common.errors import ConfigError

    config = path / "floorline.toml"
    if path.is_dir() and any(path.iterdir()):
        if not (config.is_file() and KEY_NAME in config.read_text("utf-8", errors="replace")):
            raise ConfigError(f"{path} has files that are not of a demo: choose a new folder with --path")
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)


def _run_demo(folder: Path) -> bool:
    """Take the snapshots and print queries; return whether every run ended as expected."""
    import asyncio

    from sandbox.cs2cap.keys import VALID_KEY
    from sandbox.options import Options
    from sandbox.server import serve

    began = time.monotonic()
    with serve(Options(items=1000, refresh=0, tier="quant")) as market:
        console.print_line(
            f"The sandbox serves 1,000 items at {market.url}; Prefect starts a temporary server.\n"
        )
        config = folder / "floorline.toml"
        config.write_text(CONFIG.format(url=market.url, key_name=KEY_NAME), "utf-8")
        os.environ[KEY_NAME] = VALID_KEY
        runs = asyncio.run(_take_four_snapshots(market, config, VALID_KEY))
    _print_queries(config)
    console.print_line(
        f"\nFour flow runs in {time.monotonic() - began:.0f} s. The database: {folder / 'market.duckdb'}"
    )
    console.print_line(f'Query the database: floorline query "FROM quotes LIMIT 5" --config {config}')
    return [result.state for result in runs] == ["done"] * 6 + ["auth_failed"] * 2


async def _take_four_snapshots(market: Sandbox, config: Path, key: str) -> list[RunResult]:
    """Take snapshots while the market changes: each snapshot is at least a second after the one before."""
    results = await _take_snapshot("1. The first snapshot: everything is new.", config)
    market.move(400)
    results += await _take_snapshot("2. After 400 quotes of the market changed.", config)
    market.move(150)
    market.vanish(60)
    results += await _take_snapshot("3. After 150 more quotes changed and 60 listings disappeared.", config)
    market.key(key, "revoked")
    return results + await _take_snapshot(
        "4. With a revoked key: the run retries nothing and opens an alert.", config
    )


async def _take_snapshot(title: str, config: Path) -> list[RunResult]:
    from floorline.cli.render.runs import print_results
    from flows.snapshot import caller, snapshot
    from pipelines.snapshot.progress import NullProgress

    console.print_line(title)
    with caller.collect_results(NullProgress()) as results:
        state = await snapshot(None, str(config), return_state=True)
    console.print_line(f"Flow run state: {state.name}")
    print_results(results, as_json=False)
    console.print_line("")
    return results


def _print_queries(config: Path) -> None:
    from floorline.cli.commands.alerts import alerts_list
    from floorline.cli.commands.query import query

    console.print_line("Open alerts:")
    alerts_list(config)
    for question, sql in QUERIES:
        console.print_line(f"\n{question}\n\n{sql}\n")
        query(sql, config)
