"""A snapshot of one item, whose catalogs are cached, loads no library that it does not use."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.core import Sandbox
from tests.support.snapshots import REDLINE, Bench, basket, clean_env, main_with

UNUSED = (
    *("dotenv", "h2", "httpx._main", "pandas", "prefect", "pyarrow.compute", "pyarrow.json"),
    *("pydantic_settings", "rich.console", "yaml"),
    *("connectors.cs2cap.arrow_parser", "connectors.cs2cap.batch", "connectors.cs2cap.stream_parser"),
    *("connectors.cursor_pagination", "connectors.series", "connectors.skinshark.rows"),
    *("pipelines.alerts.messages", "pipelines.backfill.progress"),
    *("warehouse.gaps", "warehouse.landing.series", "warehouse.loading.timeline", "warehouse.sealing.months"),
    *("warehouse.views.comments", "warehouse.views.inlining"),
)
SCRIPT = f"""\
import json, sys
from floorline.__main__ import main
sys.argv = ["floorline", "snapshot", "--no-prefect", "--quiet", "--config", sys.argv[1]]
try:
    main()
finally:
    print(json.dumps([name for name in {UNUSED!r} if sys.modules.get(name)]))
"""


@pytest.mark.slow
def test_snapshot_of_one_item_loads_what_it_uses(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench.at(tmp_path / "one", sandbox, basket(items=[REDLINE], route="auto"))
    assert main_with("snapshot", "--no-prefect", "--config", str(bench.config)).code == 0
    command = [sys.executable, "-c", SCRIPT, str(bench.config)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=clean_env())
    assert json.loads(done.stdout) == []
