"""A run is done only where its rows are of use: rejects and landings set aside have a state of their own.

New, but for the guards at the end: such a run used to be `done`, with exit code 0 and without an alert.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from floorline.doctor.check_warehouse import check_baskets
from pipelines.alerts.rules import CONTRACT
from pipelines.results import RunResult
from pipelines.snapshot.progress import NullProgress
from sandbox.core import Sandbox
from tests.support.cases import slow_but, slow_but_first
from tests.support.clocks import VirtualClock
from tests.support.json_outputs import read_result
from tests.support.relay import Relay, relay_to
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import configure_both_sources, skinshark_basket
from tests.support.snapshots import ASIIMOV, REDLINE, Bench, basket, catalog_of, main_with
from warehouse.landing.inventory import list_landings

pytestmark = pytest.mark.usefixtures("no_prefect")
PRICES, BATCH = "/v1/prices", "/v1/prices/batch"
TEN_MINUTES = timedelta(minutes=10)
ITEMS = [REDLINE, ASIIMOV, *range(1, 30)]


@pytest.fixture
def relay(make_sandbox: MakeSandbox) -> Iterator[Relay]:
    with relay_to(make_sandbox(tier="quant").url) as relay:
        yield relay


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def take(bench: Bench, clock: VirtualClock, **options: Any) -> RunResult:
    clock.time += TEN_MINUTES.total_seconds()
    (result,) = bench.snapshot(clock=clock, **options)
    return result


def spoil(field: str = "lowest_ask", value: object = "12.50", share: float = 1.0) -> Callable[[bytes], bytes]:
    """Return an edit that gives this value to a field of a share of all rows."""

    def edit(body: bytes) -> bytes:
        lines = body.splitlines()
        if len(lines) > 1:  # a stream
            return b"".join(edit(line) + b"\n" for line in lines)
        page = json.loads(body)
        items = page.get("items", [page])
        rows = [row for item in items for row in item.get("quotes", [item])]
        for row in rows[: round(share * len(rows))]:
            row[field] = value
        return json.dumps(page).encode()

    return edit


BASKETS = {
    "item": (basket(items=[REDLINE, ASIIMOV]), PRICES),
    "catalog": (catalog_of("steam"), PRICES),
    "batch": (basket(items=ITEMS, route="batch"), BATCH),
    "stream": (catalog_of("steam", "buff163", route="stream"), PRICES),
}


@pytest.mark.slow
@pytest.mark.parametrize("route", slow_but_first("stream", "item", "catalog", "batch"))
@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [("lowest_ask", "12.50", "Expected `int`, got `str`"), ("provider", None, "Expected `str`, got `null`")],
)
def test_run_without_one_usable_row_is_unusable(
    tmp_path: Path, relay: Relay, clock: VirtualClock, route: str, field: str, value: object, reason: str
) -> None:
    fields, path = BASKETS[route]
    bench = Bench.create(tmp_path, {"cs2cap": relay.url}, fields)
    assert take(bench, clock).state == "done"
    before, requests = bench.quotes(), len(relay.paths)
    relay.edits[path] = spoil(field, value)
    result = take(bench, clock)
    assert (result.state, result.exit_code) == ("unusable", 7)
    assert result.load is not None
    assert (result.load.rows_fetched, result.load.rows_closed) == (0, 0)
    assert result.load.rows_rejected == len(before)
    assert bench.quotes() == before != []
    assert len(relay.paths) - requests == result.requests + 1, "as many as usual, and the account"
    (alert,) = bench.alerts()
    assert (alert.cause, alert.subject, alert.run_id) == (CONTRACT, "core", result.run_id)
    assert reason in alert.message
    assert "rejects list" in (alert.guidance or "")
    assert bench.query("SELECT state FROM runs ORDER BY started_at") == [("done",), ("unusable",)]
    relay.edits.clear()
    assert take(bench, clock).state == "done"


def test_alert_names_the_three_commonest_reasons(tmp_path: Path, relay: Relay, clock: VirtualClock) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": relay.url}, catalog_of("steam"))
    odd = [("quantity", "x")] * 6 + [("provider", 5)] * 5 + [("lowest_ask", -1)] * 4 + [("item_id", None)]

    def edit(body: bytes) -> bytes:
        page = json.loads(body)
        for number, row in enumerate(page["items"]):
            field, value = odd[number % len(odd)]
            row[field] = value
        return json.dumps(page).encode()

    relay.edits[PRICES] = edit
    result = take(bench, clock)
    (alert,) = bench.alerts()
    reasons = alert.message.removeprefix("every row was rejected: ").split("; ")
    assert [reason.partition(" at ")[2].partition("`")[2].partition("`")[0] for reason in reasons] == [
        "$.quantity", "$.provider", "$.lowest_ask",
    ]  # fmt: skip
    assert all(reason.endswith(" rows)") for reason in reasons)
    assert result.incomplete_reason == alert.message


@pytest.mark.slow
def test_run_of_skinshark_without_one_usable_row_is_unusable(tmp_path: Path, sandbox: Sandbox) -> None:
    with relay_to(sandbox.url) as relay:
        bench = configure_both_sources(tmp_path, sandbox, skinshark_basket(), base_url=relay.url)
        bench.snapshot()

        def edit(body: bytes) -> bytes:
            envelope = json.loads(body)
            for row in envelope["data"]["items"]:
                row["marketHashName"] = None
            return json.dumps(envelope).encode()

        relay.edits["/market/prices"] = edit
        (result,) = bench.snapshot()
    assert (result.state, result.exit_code) == ("unusable", 7)
    assert [alert.cause for alert in bench.alerts()] == [CONTRACT]


class LandingBreaker(NullProgress):
    """Damages the landing of a run once its rows are on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def finished(self, basket: str) -> None:  # noqa: ARG002 - of the protocol
        """Replace the manifest of each shard."""
        for manifest in max(list_landings(self._root)).glob("[0-9]*.json"):
            manifest.write_text('{"complete": "very"}')


@pytest.mark.slow
def test_run_whose_landing_is_set_aside_is_unusable(
    tmp_path: Path, relay: Relay, clock: VirtualClock
) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": relay.url}, basket(every="10m"))
    assert take(bench, clock).state == "done"
    result = take(bench, clock, progress=LandingBreaker(bench.paths.landing))
    assert (result.state, result.exit_code) == ("unusable", 7)
    assert "its landing was set aside" in (result.incomplete_reason or "")
    assert {alert.cause for alert in bench.alerts()} == {CONTRACT, "landing.unreadable"}
    (finding,) = check_baskets(bench.paths, bench.settings, clock.now())
    assert (finding.verdict, "could not be loaded" in finding.seen) == ("fail", True)
    output = main_with("status", "--json", "--config", str(bench.config))
    assert read_result(output.out)["baskets"][0]["last_state"] == "unusable"
    assert take(bench, clock).state == "done"
    (finding,) = check_baskets(bench.paths, bench.settings, clock.now())
    assert finding.verdict == "ok"


@pytest.mark.slow
def test_status_and_doctor_do_not_call_it_fresh(tmp_path: Path, relay: Relay, clock: VirtualClock) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": relay.url}, basket(every="10m"))
    take(bench, clock)
    done_at = clock.now()
    relay.edits[PRICES] = spoil()
    for _ in range(4):
        take(bench, clock)
    output = main_with("status", "--json", "--config", str(bench.config))
    (core,) = read_result(output.out)["baskets"]
    assert core["last_state"] == "unusable"
    assert core["last_success_at"].startswith(f"{done_at:%Y-%m-%dT%H:%M}")
    (finding,) = check_baskets(bench.paths, bench.settings, clock.now())
    assert (finding.verdict, finding.seen.partition(": ")[0]) == ("fail", "core")
    assert "every row was rejected" in finding.seen


SHARES: dict[str, tuple[list[float], bool]] = {
    "half of a usual 0": ([0, 0, 0.5], True),
    "2% of a usual 0": ([0, 0, 0.02], True),
    "half of the first run": ([0.5], True),
    "25% of a usual 10%": ([0.1, 0.1, 0.1, 0.25], False),
    "half of a usual 10%": ([0.1, 0.1, 0.1, 0.5], True),
    "1% of a usual 0.5%": ([0.005, 0.005, 0.01], False),
}


@pytest.mark.slow
@pytest.mark.parametrize(("shares", "raised"), slow_but({"2% of a usual 0", "25% of a usual 10%"}, SHARES))
def test_share_of_rejects_far_above_the_usual_raises_an_alert(
    tmp_path: Path, relay: Relay, clock: VirtualClock, shares: list[float], raised: bool
) -> None:
    """More than three times the median of the last runs and a hundredth of the rows, from three rows on."""
    bench = Bench.create(tmp_path, {"cs2cap": relay.url}, catalog_of("steam"))
    for number, share in enumerate(shares):
        for alert in bench.alerts() if number else ():
            main_with("alerts", "clear", str(alert.alert_id), "--config", str(bench.config))
        relay.edits[PRICES] = spoil(share=share)
        result = take(bench, clock)
        assert (result.state, result.exit_code) == ("done", 0)
    assert [alert.cause for alert in bench.alerts()] == [CONTRACT] * raised


def test_guard_rows_that_are_partly_odd_are_done(tmp_path: Path, relay: Relay, clock: VirtualClock) -> None:
    bench = Bench.create(tmp_path, {"cs2cap": relay.url}, catalog_of("steam"))
    relay.edits[PRICES] = spoil(share=0.005)
    result = take(bench, clock)
    assert (result.state, result.exit_code, bench.alerts()) == ("done", 0, [])


def test_guard_run_without_rows_and_rejects_is_done(tmp_path: Path, sandbox: Sandbox) -> None:
    """Nobody lists the item: that is an answer."""
    sandbox.set_provider_dark("steam")
    (result,) = Bench.at(tmp_path, sandbox, basket()).snapshot()
    assert (result.state, result.exit_code) == ("done", 0)
