"""Backfills in Prefect: the form, a run with what it leaves, the states it ends in, sales on schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema

from common.errors import ConfigError
from flows.backfill import BackfillProgressTracker, backfill, collect_results, sales
from pipelines.backfill.progress import NullBackfillProgress, ProgressUpdate
from pipelines.backfill.request import BackfillRequest
from pipelines.backfill.results import BackfillResult
from sandbox.core import Sandbox
from sandbox.options import Options
from sandbox.server import serve
from tests.support.backfills import bench_at
from tests.support.prefect_server import WITH_PREFECT, dump_sqlite, temporary_prefect
from tests.support.snapshots import Bench, priced
from warehouse.state.backfill_rows import BackfillRecord
from warehouse.state.backfills import BackfillStore

SLOW = pytest.mark.usefixtures("prefect")
DAY = timedelta(days=1)
KEY = "cs2c_live_planted_8e41c7d2a9035bf6"


def slow(test: Any) -> Any:
    """A test that needs Prefect's server."""
    for mark in [SLOW, *WITH_PREFECT]:
        test = mark(test)
    return test


def test_the_request_is_a_form_with_a_line_for_each_field() -> None:
    schema = parameter_schema(backfill).model_dump()
    assert schema["required"] == ["request"]
    fields = schema["definitions"]["BackfillRequest"]["properties"]
    assert set(fields) == set(BackfillRequest.model_fields)
    assert all(field["description"] for field in fields.values())
    assert fields["series"]["enum"] == ["points", "candles", "sales"]
    assert fields["start"]["format"] == "date-time"


def test_progress_is_passed_on_and_remembered() -> None:
    followed = BackfillProgressTracker(NullBackfillProgress())
    assert (followed.percent, followed.description) == (0.0, "0 of 0 shards, 0 rows, 0 requests")
    followed.update(ProgressUpdate(shards=8, ended=3, fraction=0.4567, rows=12_345, requests=20))
    assert followed.percent == 45.7
    assert followed.description == "3 of 8 shards, 12,345 rows, 20 requests"


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


def asked(**fields: Any) -> BackfillRequest:
    return BackfillRequest(**{"items": (1, 2, 3), "start": datetime.now(UTC) - DAY, **fields})


def ran(bench: Bench, request: BackfillRequest) -> tuple[State[Any], list[BackfillResult]]:
    """The state of a flow run of `backfill`, and its results."""

    async def run() -> tuple[State[Any], list[BackfillResult]]:
        with collect_results(NullBackfillProgress()) as results:
            return await backfill(request, str(bench.config), return_state=True), results

    return asyncio.run(run())


def left(state: State[Any]) -> tuple[str, dict[str, str]]:
    """The name of a flow run, and its artifacts by key."""

    async def read() -> tuple[str, dict[str, str]]:
        run_id = state.state_details.flow_run_id
        assert run_id is not None
        chosen = {"artifacts": {"flow_run_id": {"any_": [str(run_id)]}}}
        async with get_client() as client:
            found = (await client.request("POST", "/artifacts/filter", json=chosen)).json()
            return (await client.read_flow_run(run_id)).name, {one["key"]: one["data"] for one in found}

    return asyncio.run(read())


@slow
def test_a_run_that_came_through_is_completed_and_leaves_a_table(bench: Bench) -> None:
    state, (result,) = ran(bench, asked())
    assert state.is_completed()
    assert state.name == "Completed"
    assert (result.state, result.shards_done) == ("done", 3)
    assert bench.ask("SELECT count(*) FROM price_points") == [(result.rows_new,)]
    name, artifacts = left(state)
    assert name.startswith("backfill points 20")
    assert artifacts.keys() == {"backfill-points"}
    assert f'"new rows": {result.rows_new}' in artifacts["backfill-points"]


@slow
def test_its_own_budget_stops_it_and_the_same_again_goes_on(bench: Bench) -> None:
    request = asked(budget=3)
    state, (first,) = ran(bench, request)
    assert (state.is_completed(), state.name) == (True, "Stopped")
    assert "shards left" in str(state.message)
    state, (second,) = ran(bench, request.model_copy(update={"budget": None}))
    assert (state.name, second.backfill_id) == ("Completed", first.backfill_id)


@slow
def test_a_rejected_key_fails_it_by_name_and_is_told(
    bench: Bench, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bench.folder / "cs2cap.key").write_text(KEY)
    box.key(KEY, "revoked")
    state, (result,) = ran(bench, asked())
    assert (state.name, state.is_failed(), result.exit_code) == ("AuthFailed", True, 4)
    _, artifacts = left(state)
    page = artifacts["alert-auth-failed-cs2cap"]
    for part in ("cs2cap", "AUTH_API_KEY_REVOKED", "Issue a new key", f"…{KEY[-4:]}"):
        assert part in page
    assert KEY not in str(artifacts)
    assert "alert-of-backfill-points" in artifacts


@slow
def test_a_broken_shard_ends_it_as_incomplete(bench: Bench, box: Sandbox) -> None:
    box.fault("cursor_expired", times=None, match={"item_id": "2"})
    state, (result,) = ran(bench, asked(start=datetime.now(UTC) - 2 * DAY))
    assert (state.name, state.is_failed()) == ("Incomplete", True)
    assert (result.shards_done, result.shards_broken) == (2, 1)


@slow
def test_what_cannot_be_is_refused_by_the_form_or_before_a_price_is_asked_for(
    bench: Bench, box: Sandbox
) -> None:
    wrong: Any = {"series": "prices", "start": "2026-01-01"}
    with pytest.raises(ParameterTypeError, match="series"):
        asyncio.run(backfill(wrong, str(bench.config)))
    with pytest.raises(ConfigError, match="the pro tier has price history of 35 days"):
        asyncio.run(backfill(asked(start=datetime.now(UTC) - 60 * DAY), str(bench.config)))
    assert priced(box) == []


def read_sales(bench: Bench) -> State[Any]:
    """The state of a flow run of `sales`."""

    async def run() -> State[Any]:
        return await sales("cs2cap", str(bench.config), return_state=True)

    return asyncio.run(run())


@slow
def test_sales_are_read_again_from_where_they_were_settled(bench: Bench, box: Sandbox) -> None:
    assert read_sales(bench).is_completed()
    ((rows,),) = bench.ask("SELECT count(*) FROM sales")
    assert rows > 0
    again = read_sales(bench)
    assert again.is_completed()
    name, artifacts = left(again)
    assert name.startswith("sales 20")
    assert set(artifacts) == {"backfill-sales"}
    second, first = (datetime.fromisoformat(read.request["start"]) for read in reads(bench))
    # the second began where the first was read; the server tells whole seconds
    assert timedelta(seconds=-1) < second - first < timedelta(minutes=5)


def reads(bench: Bench) -> list[BackfillRecord]:
    return BackfillStore(bench.home.state).list_all()


@slow
def test_the_key_is_nowhere(prefect: Path) -> None:
    told = dump_sqlite(prefect)
    assert "backfill points 20" in told  # it is the right file
    assert KEY not in told
