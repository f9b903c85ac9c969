"""Revoke a key during a snapshot of a whole catalog: when the requests stop, and which are still sent.

    python -m bench.revoked [--after 300]

Times and requests are those in the sandbox's log.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from bench.support import CATALOGS, FLOORLINE, control, write_config
from sandbox.options import Options
from sandbox.server import spawn

CONCURRENCY = 8


def main() -> None:
    """Take one snapshot and print what the log has."""
    parser = argparse.ArgumentParser(description="Revoke a key during a snapshot.")
    parser.add_argument("--after", type=int, default=300, help="pages before the key is revoked")
    after = parser.parse_args().after
    options = Options(items=35_000, quotes=600_000, limits=False, tier="quant", render_ahead=True)
    with spawn(options) as url, tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        config = write_config(Path(folder), url, source=f"concurrency = {CONCURRENCY}", basket=CATALOGS)
        control(url, "faults", {"kind": "revoke_key", "after": after})
        done = subprocess.run(
            [FLOORLINE, "snapshot", "--no-prefect", "--json", "--config", str(config)],
            check=False,
            capture_output=True,
            text=True,
        )
        (result,) = json.loads(done.stdout)["result"]
        print(f"exit {done.returncode}, state {result['state']},", end=" ")
        print(f"{result['load']['rows_fetched']:,} rows loaded")
        _print_requests(control(url, "requests"))


def _print_requests(log: list[dict[str, Any]]) -> None:
    prices = [entry for entry in log if entry["path"] == "/v1/prices"]
    first = next(number for number, entry in enumerate(prices) if entry["status"] == 401)
    sent = Counter(entry["query"] for entry in prices)
    print(f"after the first 401: {len(prices) - first - 1} requests (concurrency {CONCURRENCY}),")
    print(f"  the last of them {prices[-1]['t'] - prices[first]['t']:.3f} s later")
    print(f"requests sent more than once: {sum(times > 1 for times in sent.values())}")


if __name__ == "__main__":
    main()
