"""The main job against the sandbox, as four Prefect flow runs in one process: what a newcomer sees first."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from floorline import console
from floorline.cli.render.runs import print_results
from pipelines.results import RunResult
from pipelines.snapshot.progress import NullProgress
from sandbox.cs2cap.keys import VALID_KEY

if TYPE_CHECKING:
    from sandbox.core import Sandbox

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLOUD_ENABLE_ORCHESTRATION_TELEMETRY": "false",
    "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
}
CONFIG = """\
[warehouse]
path = "."

[sources.cs2cap]
base_url = "{url}"
key = "env:FLOORLINE_DEMO_KEY"

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
QUERIES = (
    (
        "Where is each knife cheapest, and by how much?",
        """SELECT market_hash_name, phase, min(price) AS lowest_ask, arg_min(provider, price) AS provider,
    max(price) - min(price) AS spread
FROM quotes
WHERE currency = 'USD' AND market_hash_name LIKE '★ Karambit | %' AND NOT aggregate
GROUP BY ALL
ORDER BY spread DESC
LIMIT 5""",
    ),
    (
        "What moved most between the snapshots?",
        """SELECT market_hash_name, phase, provider, arg_min(price, valid_from) AS was,
    arg_max(price, valid_from) AS now, round(100 * (now / was - 1), 1) AS percent
FROM quote_history
WHERE currency = 'USD' AND price > 0
GROUP BY market_hash_name, phase, provider
HAVING count(*) > 1
ORDER BY abs(percent) DESC
LIMIT 5""",
    ),
)


def run_demo(folder: Path) -> int:
    """Run it, leaving the database in `folder` (made anew); 0 if every run ended as it should."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="floorline-demo-") as prefect_home:
        os.environ.update(QUIET, PREFECT_HOME=prefect_home)
        for name in ("PREFECT_API_URL", "PREFECT_PROFILE"):
            os.environ.pop(name, None)
        return _run(folder)


def _run(folder: Path) -> int:
    from sandbox.options import Options
    from sandbox.server import serve

    began = time.monotonic()
    with serve(Options(items=1000, refresh=0, tier="quant")) as market:
        console.print_line(
            f"The sandbox serves 1,000 items at {market.url}; Prefect starts a temporary server.\n"
        )
        config = folder / "floorline.toml"
        config.write_text(CONFIG.format(url=market.url), "utf-8")
        os.environ["FLOORLINE_DEMO_KEY"] = VALID_KEY
        runs = asyncio.run(_four_runs(market, config))
    _tell(config)
    console.print_line(
        f"\nFour flow runs in {time.monotonic() - began:.0f} s. The database: {folder / 'market.duckdb'}"
    )
    console.print_line(f'Ask it more: floorline query "FROM quotes LIMIT 5" --config {config}')
    expected = ["done"] * 6 + ["auth_failed"] * 2
    return 0 if [result.state for result in runs] == expected else 1


async def _four_runs(market: Sandbox, config: Path) -> list[RunResult]:
    """The snapshots, with a market that moves between them: by this clock, a second later at least."""
    results = await _snapshot("1. The first snapshot: everything is new.", config)
    market.move(400)
    results += await _snapshot("2. After 400 quotes of the market moved.", config)
    market.move(150)
    market.vanish(60)
    results += await _snapshot("3. After 150 more moved and 60 listings vanished.", config)
    market.key(VALID_KEY, "revoked")
    return results + await _snapshot("4. With the key revoked: nothing is retried, an alert opens.", config)


async def _snapshot(title: str, config: Path) -> list[RunResult]:
    from flows.snapshot import collect_results, snapshot

    console.print_line(title)
    with collect_results(NullProgress()) as results:
        state = await snapshot(None, str(config), return_state=True)
    console.print_line(f"Flow run state: {state.name}")
    print_results(results, as_json=False)
    console.print_line("")
    return results


def _tell(config: Path) -> None:
    from floorline.cli.commands import alerts, query

    console.print_line("Open alerts:")
    alerts.alerts_list(config, as_json=False, everything=False)
    for question, sql in QUERIES:
        console.print_line(f"\n{question}\n\n{sql}\n")
        query.query(sql, config, as_json=False, as_csv=False)
