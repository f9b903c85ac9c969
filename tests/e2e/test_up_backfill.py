"""Under `floorline up` a backfill is asked for by its form, one at a time, and sales come by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import Bench, basket
from tests.support.up import Operation, operation
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up")]


def deployment(up: Operation, name: str) -> dict[str, Any]:
    return dict(httpx.get(f"{up.api}/deployments/name/{name}", timeout=30).json())


def wanted(up: Operation, **request: Any) -> httpx.Response:
    """Ask for a backfill as the form does."""
    number = deployment(up, "backfill/on-demand")["id"]
    asked = {"parameters": {"request": request}, "state": {"type": "SCHEDULED"}}
    return httpx.post(f"{up.api}/deployments/{number}/create_flow_run", json=asked, timeout=30)


def test_a_backfill_runs_on_demand_and_sales_are_read_on_schedule(tmp_path: Path) -> None:
    start = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    with serve(Options(items=300, refresh=0, limits=False)) as box:
        bench = Bench.at(tmp_path, box, basket(every="6h"), source={"tier": "pro", "sales": "15s"})
        with operation(bench) as up:
            form = deployment(up, "backfill/on-demand")["parameter_openapi_schema"]
            assert "providers" in form["definitions"]["BackfillRequest"]["properties"]
            refused = wanted(up, start=start, series="prices")
            assert refused.status_code in {409, 422}
            assert "prices" in refused.text

            runs = [wanted(up, start=start, items=[item]).json()["id"] for item in (1, 2)]
            wait_until(lambda: all(up.run(run)["state_type"] == "COMPLETED" for run in runs), 240, every=0.5)
            first, second = sorted((up.run(run) for run in runs), key=lambda run: str(run["start_time"]))
            assert first["end_time"] <= second["start_time"]
            wait_until(lambda: bench.ask("SELECT count(*) > 0 FROM sales") == [(True,)], 120, every=0.5)
            assert {"backfill-points", "backfill-sales"} <= {str(one["key"]) for one in up.artifacts()}
    assert bench.ask("SELECT DISTINCT item_id FROM price_points ORDER BY 1") == [("1",), ("2",)]
