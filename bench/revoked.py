"""A key revoked in the middle of a whole-catalog walk: how soon it stops, and what is still sent.

    python -m bench.revoked [--after 300]

The sandbox's own log tells the times and the requests.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

from bench.walk import CONFIG
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.options import Options
from sandbox.server import spawn

FLOORLINE = str(Path(sys.executable).with_name("floorline"))
CONCURRENCY = 8


def main() -> None:
    """Run it once and print what the log says."""
    parser = argparse.ArgumentParser(description="Revoke a key in the middle of a walk.")
    parser.add_argument("--after", type=int, default=300, help="pages that come before it")
    after = parser.parse_args().after
    os.environ["BENCH_KEY"] = VALID_KEY
    options = Options(items=35_000, quotes=600_000, limits=False, tier="quant", render_ahead=True)
    with spawn(options) as served, tempfile.TemporaryDirectory(prefix="floorline-bench-") as folder:
        config = Path(folder) / "floorline.toml"
        config.write_text(CONFIG.format(path=folder, url=served.url, concurrency=CONCURRENCY), "utf-8")
        _control(served.url, "faults", {"kind": "revoke_key", "after": after})
        done = subprocess.run(
            [FLOORLINE, "snapshot", "--no-prefect", "--json", "--config", str(config)],
            check=False,
            capture_output=True,
            text=True,
        )
        (result,) = json.loads(done.stdout)
        _tell(done.returncode, result, _control(served.url, "requests"))


def _tell(code: int, result: dict[str, Any], log: list[dict[str, Any]]) -> None:
    prices = [entry for entry in log if entry["path"] == "/v1/prices"]
    first = next(number for number, entry in enumerate(prices) if entry["status"] == 401)
    sent = Counter(entry["query"] for entry in prices)
    print(f"exit {code}, state {result['state']}, {result['load']['rows_fetched']:,} rows loaded")
    print(f"after the first 401: {len(prices) - first - 1} requests (concurrency {CONCURRENCY}),")
    print(f"  the last of them {prices[-1]['t'] - prices[first]['t']:.3f} s later")
    print(f"requests sent more than once: {sum(times > 1 for times in sent.values())}")


def _control(url: str, what: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/_sandbox/{what}", data=data)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
