"""The flows `backfill` and `sales` in Prefect: the form, the states, the artifacts and the schedule."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema

from common.errors import ConfigError
from flows.backfill import BackfillProgressTracker, backfill, caller, run_in_process, sales
from pipelines.backfill.progress import NullBackfillProgress, ProgressUpdate
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import BackfillResult
from sandbox.core import Sandbox
from sandbox.options import Options
from sandbox.server import serve
from tests.support.backfills import bench_at
from tests.support.prefect_server import WITH_PREFECT, dump_sqlite, temporary_prefect
from tests.support.snapshots import Bench, price_requests
from warehouse.state.backfill_rows import BackfillRecord
from warehouse.state.backfills import BackfillStore

USES_PREFECT = pytest.mark.usefixtures("prefect")
DAY = timedelta(days=1)
KEY = "cs2c_live_planted_8e41c7d2a9035bf6"


def needs_prefect(test: Any) -> Any:
    """Mark a test that needs Prefect's server."""
    for mark in [USES_PREFECT, *WITH_PREFECT]:
        test = mark(test)
    return test


def test_form_has_plain_described_fields_and_asks_for_what_costs() -> None:
    schema = parameter_schema(backfill).model_dump()
    assert schema["required"] == ["start", "items", "providers"]
    assert schema["definitions"] == {}
    fields = schema["properties"]
    assert set(BackfillRequest.model_fields) - {"currency"} == set(fields) - {"dry_run", "config"}
    assert all(field["description"] for field in fields.values())
    assert fields["series"]["enum"] == ["points", "candles", "sales", "daily"]
    assert fields["start"]["format"] == "date-time"
    assert fields["items"] == {**fields["items"], "type": "array", "items": {"type": "string"}}
    assert (fields["dry_run"]["default"], fields["budget"]["default"]) == (True, 1_000)


def test_tracker_keeps_the_last_update() -> None:
    tracker = BackfillProgressTracker(NullBackfillProgress())
    assert (tracker.percent, tracker.description) == (0.0, "0 of 0 shards, 0 rows, 0 requests")
    tracker.update(ProgressUpdate(shards=8, ended=3, fraction=0.4567, rows=12_345, requests=20))
    assert tracker.percent == 45.7
    assert tracker.description == "3 of 8 shards, 12,345 rows, 20 requests"


@pytest.fixture(scope="module")
def prefect() -> Iterator[Path]:
    with temporary_prefect() as database:
        yield database


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with serve(Options(items=300, refresh=0, limits=False, history="dense")) as box:
        yield box


@pytest.fixture
def bench(tmp_path: Path, box: Sandbox) -> Bench:
    return bench_at(tmp_path, box)


def points_request(**fields: Any) -> BackfillRequest:
    return BackfillRequest(**{"items": (1, 2, 3), "start": datetime.now(UTC) - DAY, **fields})


def run_flow(bench: Bench, request: BackfillRequest) -> tuple[State[Any], list[BackfillResult]]:
    """Run the flow `backfill`; return its state and its results."""

    async def run() -> tuple[State[Any], list[BackfillResult]]:
        with caller.collect_results(NullBackfillProgress()) as results:
            fields = {name: value for name, value in request if name not in {"currency", "windows"}}
            fields["items"], fields["providers"] = list(map(str, request.items)), list(request.providers)
            given = {**fields, "dry_run": False, "config": str(bench.config)}
            return await backfill(**given, return_state=True), results

    return asyncio.run(run())


def read_flow_run(state: State[Any]) -> tuple[str, dict[str, str]]:
    """Return the name of a flow run, and its artifacts by key."""

    async def read() -> tuple[str, dict[str, str]]:
        run_id = state.state_details.flow_run_id
        assert run_id is not None
        artifact_filter = {"artifacts": {"flow_run_id": {"any_": [str(run_id)]}}}
        async with get_client() as client:
            artifacts = (await client.request("POST", "/artifacts/filter", json=artifact_filter)).json()
            return (await client.read_flow_run(run_id)).name, {one["key"]: one["data"] for one in artifacts}

    return asyncio.run(read())


@needs_prefect
def test_complete_run_is_completed_and_publishes_a_table(bench: Bench) -> None:
    state, (result,) = run_flow(bench, points_request())
    assert state.is_completed()
    assert state.name == "Completed"
    assert (result.state, result.shards_done) == ("done", 3)
    assert bench.query("SELECT count(*) FROM price_points") == [(result.rows_new,)]
    name, artifacts = read_flow_run(state)
    assert name.startswith("backfill points 20")
    assert artifacts.keys() == {"backfill-points"}
    assert f'"new rows": {result.rows_new}' in artifacts["backfill-points"]


@needs_prefect
def test_form_as_it_is_sends_no_price_request_and_says_the_cost(bench: Bench, box: Sandbox) -> None:
    run_flow(bench, points_request(items=(4,)))  # the catalogs are cached then
    since = len(price_requests(box))
    start = datetime.now(UTC) - DAY

    async def plan() -> State[Any]:
        return await backfill(start, ["1", "2"], ["all"], config=str(bench.config), return_state=True)

    state = asyncio.run(plan())
    assert (state.is_completed(), state.name) == (True, "Planned")
    assert len(price_requests(box)) == since
    name, artifacts = read_flow_run(state)
    assert name.startswith("plan of a backfill points 20")
    cost = r"about \d+ requests expected \(at least 2 requests, at most"
    assert re.search(cost, artifacts["backfill-points-plan"])


@needs_prefect
def test_windows_of_gaps_reach_the_flow(bench: Bench) -> None:
    noon = (datetime.now(UTC) - DAY).replace(minute=0, second=0, microsecond=0)
    windows = ((noon, noon + timedelta(hours=1)), (noon + timedelta(hours=20), noon + timedelta(hours=21)))
    request = points_request(
        start=windows[0][0], end=windows[1][1], windows=windows, providers=("steam", "buff163", "csfloat")
    )
    (result,) = asyncio.run(run_in_process(request, bench.config, NullBackfillProgress()))
    assert (result.state, result.shards_done) == ("done", 6)
    between = bench.query(
        "SELECT count(*) FROM price_points WHERE time >= ? AND time < ?", windows[0][1], windows[1][0]
    )
    assert between == [(0,)]


@needs_prefect
def test_budget_stops_the_run_and_the_next_run_resumes(bench: Bench) -> None:
    request = points_request(budget=3)
    state, (first,) = run_flow(bench, request)
    assert (state.is_completed(), state.name) == (True, "Stopped")
    assert "shards left" in str(state.message)
    state, (second,) = run_flow(bench, request.model_copy(update={"budget": None}))
    assert (state.name, second.backfill_id) == ("Completed", first.backfill_id)


@needs_prefect
def test_rejected_key_fails_the_run_and_publishes_an_alert(
    bench: Bench, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.folder / "cs2cap.key").write_text(KEY)
    box.key(KEY, "revoked")
    state, (result,) = run_flow(bench, points_request())
    assert (state.name, state.is_failed(), result.exit_code) == ("AuthFailed", True, 4)
    _, artifacts = read_flow_run(state)
    page = artifacts["alert-auth-failed-cs2cap"]
    for part in ("cs2cap", "AUTH_API_KEY_REVOKED", "Issue a new key", f"…{KEY[-4:]}"):
        assert part in page
    assert KEY not in str(artifacts)


@needs_prefect
def test_broken_shard_makes_the_run_incomplete(bench: Bench, box: Sandbox) -> None:
    box.fault("cursor_expired", times=None, match={"item_id": "2"})
    state, (result,) = run_flow(bench, points_request(start=datetime.now(UTC) - 2 * DAY))
    assert (state.name, state.is_failed()) == ("Incomplete", True)
    assert (result.shards_done, result.shards_broken) == (2, 1)


@needs_prefect
def test_invalid_request_is_rejected_before_any_price_request(bench: Bench, box: Sandbox) -> None:
    start, invalid = datetime.now(UTC) - 60 * DAY, cast("Any", "prices")
    with pytest.raises(ParameterTypeError, match="series"):
        asyncio.run(backfill(start, ["1"], ["all"], series=invalid, config=str(bench.config)))
    with pytest.raises(ConfigError, match="the pro tier has price history of 35 days"):
        asyncio.run(backfill(start, ["1"], ["all"], dry_run=False, config=str(bench.config)))
    assert price_requests(box) == []


def read_sales(bench: Bench) -> State[Any]:
    """Run the flow `sales`; return its state."""

    async def run() -> State[Any]:
        return await sales("cs2cap", str(bench.config), return_state=True)

    return asyncio.run(run())


@needs_prefect
def test_sales_resume_where_the_last_read_was_final(bench: Bench, box: Sandbox) -> None:
    assert read_sales(bench).is_completed()
    ((rows,),) = bench.query("SELECT count(*) FROM sales")
    assert rows > 0
    second_state = read_sales(bench)
    assert second_state.is_completed()
    name, artifacts = read_flow_run(second_state)
    assert name.startswith("sales 20")
    assert set(artifacts) == {"backfill-sales"}
    second, first = (datetime.fromisoformat(record.request["start"]) for record in list_backfills(bench))
    # the second read starts where the first was observed; the server's times are whole seconds
    assert timedelta(seconds=-1) < second - first < timedelta(minutes=5)


def list_backfills(bench: Bench) -> list[BackfillRecord]:
    return BackfillStore(bench.paths).list_all()


@needs_prefect
def test_key_is_stored_nowhere(prefect: Path) -> None:
    dump = dump_sqlite(prefect)
    assert "backfill points 20" in dump  # the dump is of the right file
    assert KEY not in dump
