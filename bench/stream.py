"""Time a snapshot by stream, 604,373 rows, from the request to the published database, against DuckDB alone.

    python -m bench.stream [--rows 604373] [--rounds 3] [--dlt PYTHON]

The sandbox runs in another process, with the stream rendered in advance. Each round takes a first snapshot
into a new warehouse, moves 7.5% of the quotes, and times three parts, each in its own process: the second
snapshot, and DuckDB reading the second stream's .gz into a new table, the decimal string as DECIMAL(20, 8)
and as DECIMAL(18, 8). The snapshot's time begins when the sandbox logs the request. `--dlt` names a Python
with `dlt[duckdb]`; its merge of the same file is timed once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from bench.support import ALL_ITEMS, control, describe, read_figures, run_part, write_config
from sandbox.cs2cap.keys import VALID_KEY

Round = dict[str, dict[str, float]]
MOVED_SHARE = 0.075
COLUMNS = {
    "provider": "VARCHAR", "item_id": "BIGINT", "market_hash_name": "VARCHAR", "phase": "VARCHAR",
    "lowest_ask": "BIGINT", "lowest_ask_decimal": "DECIMAL({}, 8)", "quantity": "BIGINT", "link": "VARCHAR",
    "url": "VARCHAR", "timestamp": "TIMESTAMPTZ", "last_updated": "TIMESTAMPTZ",
}  # fmt: skip


def main() -> None:
    """Run the rounds and print the medians and the ratios."""
    from sandbox.options import Options
    from sandbox.server import spawn

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=604_373)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dlt", type=Path, help="a Python that has dlt[duckdb]")
    arguments = parser.parse_args()
    options = Options(items=35_000, quotes=arguments.rows, limits=False, tier="quant", refresh=86_400)
    with spawn(options) as url, tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        rounds = [_run_round(url, Path(folder) / str(number)) for number in range(arguments.rounds)]
        _print_rounds(rounds)
        if arguments.dlt:
            _time_dlt(arguments.dlt, Path(folder) / "0", rounds)


def _run_round(url: str, folder: Path) -> Round:
    folder.mkdir()
    basket = f'{ALL_ITEMS}\nroute = "stream"'
    config = str(write_config(folder, url, source='tier = "quant"', basket=basket))
    rows = control(url, "render", {})["rows"]
    _save_stream(url, folder / "first.ndjson.gz")
    run_part("bench.stream", "snapshot", config, url)
    control(url, "market/move", {"quotes": int(rows * MOVED_SHARE)})
    control(url, "market/refresh", {})
    control(url, "render", {})
    second = folder / "second.ndjson.gz"
    _save_stream(url, second)
    return {
        "floorline": run_part("bench.stream", "snapshot", config, url),
        "DECIMAL(20, 8)": run_part("bench.stream", "duckdb", str(second), "20"),
        "DECIMAL(18, 8)": run_part("bench.stream", "duckdb", str(second), "18"),
    }


def _print_rounds(rounds: list[Round]) -> None:
    for name in rounds[0]:
        seconds = [figures[name]["seconds"] for figures in rounds]
        peak = max(figures[name]["peak_mb"] for figures in rounds)
        rows = {(figures[name]["rows"], figures[name].get("changed")) for figures in rounds}
        print(f"{name}: {describe(seconds, ' s')}, peak {peak:.0f} MB, rows {rows}")
    for name in ("DECIMAL(20, 8)", "DECIMAL(18, 8)"):
        ratios = [figures["floorline"]["seconds"] / figures[name]["seconds"] for figures in rounds]
        print(f"floorline / DuckDB with {name}: {describe(ratios)}")


def _time_dlt(python: Path, folder: Path, rounds: list[Round]) -> None:
    script = Path(__file__).with_name("dlt_merge.py")
    files = (str(folder / "first.ndjson.gz"), str(folder / "second.ndjson.gz"))
    figures = read_figures([str(python), str(script), *files, str(folder)])
    seconds, rows = figures["seconds"], figures["rows"]
    floorline = statistics.median(each["floorline"]["seconds"] for each in rounds)
    print(f"dlt's merge: {seconds:.0f} s, rows {rows}: {seconds / floorline:.1f}x floorline")


def _save_stream(url: str, path: Path) -> None:
    """Save the stream compressed, as the sandbox sends it."""
    request = urllib.request.Request(
        f"{url}/v1/prices",
        method="POST",
        headers={"Authorization": f"Bearer {VALID_KEY}", "Accept-Encoding": "gzip"},
    )
    with urllib.request.urlopen(request, timeout=120) as response:
        path.write_bytes(response.read())


def _run_part(name: str, *arguments: str) -> None:
    figures = _time_snapshot(*arguments) if name == "snapshot" else _time_duckdb(*arguments)
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(figures))


def _time_snapshot(config: str, url: str) -> dict[str, float]:
    """Time a snapshot from the sandbox's log entry of the request to the published database."""
    from pipelines.config import load_settings
    from pipelines.snapshot.pipeline import SnapshotPipeline

    (result,) = asyncio.run(SnapshotPipeline(load_settings(Path(config))).run())
    ended = time.time()
    if result.state != "done" or result.load is None:
        raise SystemExit(f"the snapshot did not complete: {result}")
    requested = [entry["t"] for entry in control(url, "requests") if entry["method"] == "POST"][-1]
    changed = float(result.load.rows_changed)
    return {"seconds": ended - requested, "rows": float(result.load.rows_fetched), "changed": changed}


def _time_duckdb(path: str, precision: str) -> dict[str, float]:
    """Time DuckDB reading the file into a new table of a new database, committed and closed."""
    import duckdb

    fields = ", ".join(f"{name}: '{kind.format(precision)}'" for name, kind in COLUMNS.items())
    began = time.perf_counter()
    with duckdb.connect(f"{path}.{precision}.duckdb") as connection:
        connection.execute(
            f"CREATE TABLE quotes AS FROM read_json(?, format = 'newline_delimited', columns = {{{fields}}})",
            [path],
        )
    seconds = time.perf_counter() - began
    with duckdb.connect(f"{path}.{precision}.duckdb") as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM quotes").fetchall()
    return {"seconds": seconds, "rows": float(rows)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        _run_part(*sys.argv[2:])
    else:
        main()
