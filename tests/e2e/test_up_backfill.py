"""Backfills under `floorline up`: started by the form, one at a time; sales are read on schedule."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.options import Options
from sandbox.server import serve
from tests.support.snapshots import Bench, basket
from tests.support.up import RunningUp, running_up
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("up")]


def deployment(up: RunningUp, name: str) -> dict[str, Any]:
    return dict(up.request("GET", f"/deployments/name/{name}").json())


def request_backfill(up: RunningUp, **fields: Any) -> httpx.Response:
    """Ask for a backfill as Prefect's form does."""
    deployment_id = deployment(up, "backfill/on-demand")["id"]
    body = {"parameters": {"providers": ["all"], **fields}, "state": {"type": "SCHEDULED"}}
    return up.request("POST", f"/deployments/{deployment_id}/create_flow_run", json=body)


def start_backfill(up: RunningUp, **fields: Any) -> str:
    """Start a backfill; return the id of its flow run."""
    response = request_backfill(up, **fields)
    assert response.status_code == httpx.codes.CREATED, response.text
    return str(response.json()["id"])


def test_backfills_run_on_demand_and_sales_on_schedule(tmp_path: Path) -> None:
    start = (datetime.now(UTC) - timedelta(days=2)).isoformat()
    with serve(Options(items=300, refresh=0, limits=False)) as box:
        bench = Bench.at(tmp_path, box, basket(every="6h"), source={"tier": "pro", "sales": "15s"})
        with running_up(bench) as up:
            form = deployment(up, "backfill/on-demand")["parameter_openapi_schema"]
            assert form["required"] == ["start", "items", "providers"]
            refused = request_backfill(up, start=start, items=["1"], series="prices")
            assert refused.status_code in {409, 422}
            assert "prices" in refused.text

            fetch = {"start": start, "dry_run": False}
            runs = [start_backfill(up, items=[item], **fetch) for item in ("1", "2")]
            wait_until(lambda: all(up.run(run)["state_type"] == "COMPLETED" for run in runs), 240, every=0.5)
            first, second = sorted((up.run(run) for run in runs), key=lambda run: str(run["start_time"]))
            assert first["end_time"] <= second["start_time"]
            wait_until(lambda: bench.query("SELECT count(*) > 0 FROM sales") == [(True,)], 120, every=0.5)
            planned = start_backfill(up, start=start, items=["3"])
            wait_until(lambda: up.run(planned)["state_name"] == "Planned", 120, every=0.5)
            assert {"backfill-points", "backfill-sales", "backfill-points-plan"} <= {
                str(artifact["key"]) for artifact in up.query("artifacts")
            }
    assert bench.query("SELECT DISTINCT item_id FROM price_points ORDER BY 1") == [("1",), ("2",)]
