"""One full stream, 604,373 rows: first byte to published, against DuckDB's own reading of the same file.

    python -m bench.stream [--rows 604373] [--rounds 3] [--dlt PYTHON]

The sandbox runs in a process of its own, the stream rendered ahead. Each round takes a first snapshot into
a new warehouse, moves 7.5% of the quotes, and times, in turn and in processes of their own: the second
snapshot, and DuckDB reading the second stream's .gz into a new table, the decimal string as DECIMAL(20, 8)
and as DECIMAL(18, 8). The snapshot's clock runs from the moment at which the sandbox logged the request.
`--dlt` names a Python that has `dlt[duckdb]`; its merge of the same file is timed once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import spawn

CONFIG = """\
[warehouse]
path = "{path}"
[sources.cs2cap]
base_url = "{url}"
key = "env:BENCH_KEY"
tier = "quant"
[[baskets]]
name = "all"
source = "cs2cap"
items = ["all"]
route = "stream"
"""
MOVED = 0.075
COLUMNS = {
    "provider": "VARCHAR", "item_id": "BIGINT", "market_hash_name": "VARCHAR", "phase": "VARCHAR",
    "lowest_ask": "BIGINT", "lowest_ask_decimal": "DECIMAL({}, 8)", "quantity": "BIGINT", "link": "VARCHAR",
    "url": "VARCHAR", "timestamp": "TIMESTAMPTZ", "last_updated": "TIMESTAMPTZ",
}  # fmt: skip


def main() -> None:
    """Run the rounds and print the medians and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=604_373)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dlt", type=Path, help="a Python that has dlt[duckdb]")
    given = parser.parse_args()
    os.environ["BENCH_KEY"] = VALID_KEY
    options = Options(items=35_000, quotes=given.rows, limits=False, tier="quant", refresh=86_400)
    with spawn(options) as served, tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        rounds = [_round(served.url, Path(folder) / str(number)) for number in range(given.rounds)]
        _tell(rounds)
        if given.dlt:
            _tell_dlt(given.dlt, Path(folder) / "0", rounds)


def _round(url: str, folder: Path) -> dict[str, dict[str, float]]:
    folder.mkdir()
    config = folder / "floorline.toml"
    config.write_text(CONFIG.format(path=folder, url=url), "utf-8")
    _rendered(url)
    _keep(url, folder / "first.ndjson.gz")
    _measured("take", str(config), url)
    quotes = int(_asked(url, "render", {})["rows"] * MOVED)
    _asked(url, "market/move", {"quotes": quotes})
    _asked(url, "market/refresh", {})
    _rendered(url)
    second = folder / "second.ndjson.gz"
    _keep(url, second)
    return {
        "floorline": _measured("take", str(config), url),
        "DECIMAL(20, 8)": _measured("read", str(second), "20"),
        "DECIMAL(18, 8)": _measured("read", str(second), "18"),
    }


def _tell(rounds: list[dict[str, dict[str, float]]]) -> None:
    for name in rounds[0]:
        seconds = [timed[name]["seconds"] for timed in rounds]
        memory = f"{max(timed[name]['peak'] for timed in rounds):.0f} MB"
        rows = {(timed[name]["rows"], timed[name].get("changed")) for timed in rounds}
        took = f"{statistics.median(seconds):.2f} s (of {_listed(seconds)})"
        print(f"{name}: {took}, peak {memory}, rows {rows}")
    for name in ("DECIMAL(20, 8)", "DECIMAL(18, 8)"):
        ratios = [timed["floorline"]["seconds"] / timed[name]["seconds"] for timed in rounds]
        print(f"floorline / DuckDB with {name}: {statistics.median(ratios):.2f} (of {_listed(ratios)})")


def _tell_dlt(python: Path, folder: Path, rounds: list[dict[str, dict[str, float]]]) -> None:
    script = Path(__file__).with_name("dlt_merge.py")
    files = (str(folder / "first.ndjson.gz"), str(folder / "second.ndjson.gz"))
    done = subprocess.run(
        [str(python), str(script), *files, str(folder)], check=True, capture_output=True, text=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    ours = statistics.median(timed["floorline"]["seconds"] for timed in rounds)
    print(
        f"dlt's merge: {told['seconds']:.0f} s, rows {told['rows']}: {told['seconds'] / ours:.1f}x floorline"
    )


def _listed(numbers: list[float]) -> str:
    return ", ".join(f"{number:.2f}" for number in sorted(numbers))


def _rendered(url: str) -> None:
    _asked(url, "render", {})


def _keep(url: str, path: Path) -> None:
    """Save the stream as it is sent, compressed."""
    request = urllib.request.Request(
        f"{url}/v1/prices",
        method="POST",
        headers={"Authorization": f"Bearer {VALID_KEY}", "Accept-Encoding": "gzip"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        path.write_bytes(answer.read())


def _asked(url: str, verb: str, content: dict[str, Any] | None = None) -> Any:
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(
        f"{url}/_sandbox/{verb}", data=data, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def _measured(*arguments: str) -> dict[str, float]:
    """What one part, in a process of its own, says of its time, memory and rows."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.stream", "--part", *arguments],
        check=True,
        capture_output=True,
        text=True,
    )
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _part(name: str, *arguments: str) -> None:
    told = _take(*arguments) if name == "take" else _read(*arguments)
    told["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(told))


def _take(config: str, url: str) -> dict[str, float]:
    """A snapshot, from the sandbox's word that it was asked to the database published."""
    from pipelines.config import load_settings
    from pipelines.snapshot.pipeline import SnapshotPipeline

    (result,) = asyncio.run(SnapshotPipeline(load_settings(Path(config))).run())
    ended = time.time()
    if result.state != "done" or result.load is None:
        raise SystemExit(f"the snapshot ended {result}")
    asked = [entry["t"] for entry in _asked(url, "requests") if entry["method"] == "POST"][-1]
    changed = float(result.load.rows_changed)
    return {"seconds": ended - asked, "rows": float(result.load.rows_fetched), "changed": changed}


def _read(path: str, width: str) -> dict[str, float]:
    """DuckDB alone: the file into a new table of a new database, committed and closed."""
    import duckdb

    fields = ", ".join(f"{name}: '{kind.format(width)}'" for name, kind in COLUMNS.items())
    began = time.perf_counter()
    with duckdb.connect(f"{path}.{width}.duckdb") as db:
        db.execute(
            f"CREATE TABLE quotes AS FROM read_json(?, format = 'newline_delimited', columns = {{{fields}}})",
            [path],
        )
    seconds = time.perf_counter() - began
    with duckdb.connect(f"{path}.{width}.duckdb") as db:
        ((rows,),) = db.execute("SELECT count(*) FROM quotes").fetchall()
    return {"seconds": seconds, "rows": float(rows)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        _part(*sys.argv[2:])
    else:
        main()
