"""A catalog that is empty, short, odd or unreadable: the last good one serves, and an alert says so.

All cases are new, but for those marked as guards: the source used to fail, or to lose marketplaces silently.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from common.errors import ConfigError
from pipelines.acceptance import accept_loss
from pipelines.results import RunResult
from sandbox.core import Sandbox
from sandbox.server import serve
from tests.support.cases import slow_but
from tests.support.clocks import VirtualClock
from tests.support.json_outputs import read_result
from tests.support.relay import Edit, Relay, relay_to
from tests.support.sandboxes import quiet
from tests.support.snapshots import ASIIMOV, REDLINE, Bench, basket, main_with

pytestmark = pytest.mark.usefixtures("no_prefect")
ITEMS, PROVIDERS, FX, ACCOUNT = "/v1/items", "/v1/providers", "/v1/fx", "/v1/account/key"
DAY = timedelta(days=1, minutes=1)


@pytest.fixture
def relay(sandbox: Sandbox) -> Iterator[Relay]:
    with relay_to(sandbox.url) as relay:
        yield relay


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def bench(tmp_path: Path, relay: Relay) -> Bench:
    return create_bench(tmp_path, relay)


def create_bench(folder: Path, relay: Relay) -> Bench:
    fields: dict[str, Any] = {"providers": ["steam", "csfloat"], "currencies": ["USD", "EUR"]}
    return Bench.create(folder, {"cs2cap": relay.url}, basket(**fields))


@dataclasses.dataclass(frozen=True, slots=True)
class Template:
    """A project after a good snapshot at `time`, and the relay that it asks."""

    bench: Bench
    relay: Relay
    result: RunResult
    time: float


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    clock = VirtualClock()
    with serve(quiet()) as sandbox, relay_to(sandbox.url) as relay:
        bench = create_bench(tmp_path_factory.mktemp("template"), relay)
        result = take(bench, clock)
        assert (result.state, bench.alerts()) == ("done", [])
        yield Template(bench, relay, result, clock.time)


def take(bench: Bench, clock: VirtualClock, after: timedelta = DAY) -> RunResult:
    """Take a snapshot after this time."""
    clock.time += after.total_seconds()
    (result,) = bench.snapshot(clock=clock)
    return result


def edit_json(change: Callable[[Any], Any]) -> Edit:
    """Return an edit of a body that changes its JSON; `change` returns the new value."""
    return lambda body: json.dumps(change(json.loads(body))).encode()


def replace_text(old: str, new: bytes) -> Edit:
    def edit(body: bytes) -> bytes:
        assert old.encode() in body
        return body.replace(old.encode(), new, 1)

    return edit


def without(*names: str) -> Edit:
    return edit_json(lambda providers: {k: v for k, v in providers.items() if k not in names})


def with_provider(**providers: object) -> Edit:
    return edit_json(lambda known: {**known, **providers})


def with_items(*entries: object, instead_of: int = 0) -> Edit:
    return edit_json(lambda catalog: {**catalog, "items": [*entries, *catalog["items"][instead_of:]]})


def with_rates(**rates: object) -> Edit:
    return edit_json(lambda table: {**table, "rates": {**table["rates"], **rates}})


def first(count: int) -> Edit:
    return edit_json(lambda catalog: {**catalog, "items": catalog["items"][:count]})


CASES: dict[str, tuple[str, Edit, str]] = {
    "no providers": (PROVIDERS, lambda _: b"{}", "is empty"),
    "one provider of many": (PROVIDERS, edit_json(lambda p: dict([next(iter(p.items()))])), "lacks"),
    "a provider less": (PROVIDERS, without("Steam Community Market"), "lacks steam"),
    "providers are null": (PROVIDERS, lambda _: b"null", "cannot be read"),
    "providers are a list": (PROVIDERS, lambda _: b"[]", "cannot be read"),
    "providers are an error": (PROVIDERS, lambda _: b'{"detail": "oops"}', "no entry can be read"),
    "providers are cut": (PROVIDERS, lambda body: body[: len(body) // 2], "cannot be read"),
    "a provider is null": (PROVIDERS, with_provider(Skinport=None), "Skinport: left out"),
    "a provider is a list": (PROVIDERS, with_provider(Skinport=[]), "Skinport: left out"),
    "a provider without a key": (PROVIDERS, with_provider(Skinport={}), "Skinport: left out"),
    "a new odd provider": (PROVIDERS, with_provider(New={"key": 5}), "New: left out"),
    "half of a surrogate pair": (PROVIDERS, replace_text('"steam"', rb'"st\ud83d"'), "Market: left out"),
    "an odd display name": (PROVIDERS, replace_text('"Skinport"', rb'"\ud83d"'), "skinport: left out"),
    "NaN in a fee": (PROVIDERS, replace_text('"insta_sell_fee":null', b'"insta_sell_fee":NaN'), "insta"),
    "no items": (ITEMS, first(0), "is empty"),
    "few items": (ITEMS, first(5), "lacks"),
    "items are null": (ITEMS, lambda _: b'{"items": null}', "cannot be read"),
    "an item is null": (ITEMS, with_items(None), "null: left out"),
    "an item is no JSON": (ITEMS, replace_text('[{', b'[{"a": NaN}, {'), '"a": NaN'),
    "an item with an odd id": (ITEMS, with_items({"item_id": "x", "market_hash_name": "N"}), "N: left out"),
    "an odd attribute": (ITEMS, with_items({"market_hash_name": "N", "wear_name": 5}), "wear_name"),
    "no rates": (FX, lambda _: b'{"rates": {}}', "is empty"),
    "rates are null": (FX, lambda _: b'{"rates": null}', "cannot be read"),
    "a currency less": (FX, edit_json(lambda table: {**table, "rates": {"USD": 1}}), "lacks"),
    "a rate of zero": (FX, with_rates(EUR=0), "EUR: left out"),
    "a rate of NaN": (FX, with_rates(EUR=float("nan")), "EUR: left out"),
    "a rate that is a text": (FX, with_rates(EUR="much"), "EUR: left out"),
    "a rate of 5,000 digits": (FX, replace_text('"EUR":', b'"EUR":' + b"9" * 5_000), "EUR: left out"),
    "an odd time of the rates": (FX, edit_json(lambda table: {**table, "timestamp": "now"}), "timestamp"),
    "an odd usage": (ACCOUNT, replace_text('"requests_this_month":', b'"requests_this_month":-5'), "month"),
    "an odd expiry": (ACCOUNT, replace_text('"expires_at":null', b'"expires_at":"never"'), "expires_at"),
}  # fmt: skip
SUBJECTS = {PROVIDERS: "providers", ITEMS: "items", FX: "fx", ACCOUNT: "account"}


QUICK = {"no providers", "few items", "a rate of NaN", "an odd usage"}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "edit", "message"), slow_but(QUICK, CASES))
def test_last_good_catalog_serves_and_an_alert_says_so(
    template: Template, tmp_path: Path, clock: VirtualClock, path: str, edit: Edit, message: str
) -> None:
    bench, relay, good = template.bench.copy(tmp_path), template.relay, template.result
    clock.time = template.time
    relay.edits.clear()
    relay.edits[path] = edit
    result = take(bench, clock)
    assert (result.exit_code, result.state, result.requests) == (0, "done", good.requests)
    assert result.load is not None
    assert good.load is not None
    assert result.load.rows_fetched == good.load.rows_fetched > 0
    (alert,) = bench.alerts()
    assert (alert.cause, alert.source, alert.subject) == ("catalog.doubted", "cs2cap", SUBJECTS[path])
    assert message in alert.message
    relay.edits.clear()
    assert take(bench, clock).state == "done"
    assert bench.alerts() == []


FIRST_DAY: dict[str, tuple[str, Edit, str]] = {
    "no providers": (PROVIDERS, lambda _: b"{}", "the catalog of providers is empty"),
    "no items": (ITEMS, first(0), "the catalog of items is empty"),
    "no rates": (FX, lambda _: b'{"rates": {}}', "the catalog of fx is empty"),
    "no rate fits": (FX, lambda _: b'{"rates": {"EUR": 0}}', "no entry can be read: EUR"),
    "providers are a list": (PROVIDERS, lambda _: b"[]", "no JSON object"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("path", "edit", "message"), slow_but({"no items"}, FIRST_DAY))
def test_empty_catalog_of_the_first_day_fails_the_source(
    bench: Bench, relay: Relay, clock: VirtualClock, path: str, edit: Edit, message: str
) -> None:
    relay.edits[path] = edit
    result = take(bench, clock)
    assert (result.exit_code, result.state) == (1, "failed")
    assert message in (result.incomplete_reason or "")
    relay.edits.clear()
    assert take(bench, clock, timedelta(minutes=10)).state == "done"


ODD_STEAM = with_provider(**{"Steam Community Market": {"key": 5}})
ODD_RATE = with_rates(EUR="much")
ODD_ITEM = edit_json(
    lambda catalog: {
        **catalog,
        "items": [
            {**item, "item_id": "x"} if item["market_hash_name"] == REDLINE else item
            for item in catalog["items"]
        ],
    }
)
# What a basket names, and what the run says of the entry that cannot be read; its state and exit code.
FIRST_DAY_ENTRIES: dict[str, tuple[str, Edit, dict[str, Any], str, tuple[str, int]]] = {
    "a marketplace of two": (PROVIDERS, ODD_STEAM, {}, "no provider is called 'steam'", ("incomplete", 3)),
    "the only marketplace": (
        PROVIDERS, ODD_STEAM, {"providers": ["steam"]}, "Market: left out", ("failed", 1),
    ),
    "a currency of two": (FX, ODD_RATE, {}, "EUR: left out", ("incomplete", 3)),
    "the only currency": (FX, ODD_RATE, {"currencies": ["EUR"]}, "EUR: left out", ("failed", 1)),
    "an item of two": (ITEMS, ODD_ITEM, {}, f"{REDLINE}: left out", ("incomplete", 3)),
    "the only item": (ITEMS, ODD_ITEM, {"items": [REDLINE]}, "left out", ("failed", 1)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", FIRST_DAY_ENTRIES)
def test_unreadable_entry_of_the_first_day_is_named_and_the_others_go_on(
    tmp_path: Path, relay: Relay, clock: VirtualClock, case: str
) -> None:
    """New: the command used to end with exit code 2, as if the configuration were wrong."""
    path, edit, fields, message, ended = FIRST_DAY_ENTRIES[case]
    fields = {"providers": ["steam", "csfloat"], "currencies": ["USD", "EUR"], **fields}
    other = basket("other", items=[ASIIMOV], providers=["csfloat"])
    bench = Bench.create(tmp_path, {"cs2cap": relay.url}, basket(**fields), other)
    relay.edits[path] = edit
    for _ in range(2):  # the second run reads the cached catalog
        odd, good = bench.snapshot(clock=clock)
        assert (odd.state, odd.exit_code) == ended
        assert message in str(odd.incomplete_reason)
        assert "has entries that cannot be read" in str(odd.incomplete_reason)
        assert (good.state, good.exit_code) == ("done", 0)
        assert (odd.pages > 0) == (odd.state == "incomplete")
    assert "catalog.doubted" in [alert.cause for alert in bench.alerts()]
    assert relay.count(path) == 1
    relay.edits.clear()
    clock.time += timedelta(hours=1, minutes=1).total_seconds()
    assert [result.state for result in bench.snapshot(clock=clock)] == ["done", "done"]
    with pytest.raises(ConfigError, match="no provider is called 'staem'"):  # a guard
        Bench.create(tmp_path, {"cs2cap": relay.url}, basket(providers=["staem"])).snapshot(clock=clock)


@pytest.mark.slow
def test_unreadable_catalog_is_requested_again_after_an_hour(
    bench: Bench, relay: Relay, clock: VirtualClock
) -> None:
    take(bench, clock)
    relay.replace(ITEMS, b"null")
    take(bench, clock)
    assert [take(bench, clock, timedelta(minutes=10)).state for _ in range(3)] == ["done"] * 3
    assert relay.count(ITEMS) == 2
    assert len(bench.alerts()) == 1, "no catalog was read since"
    take(bench, clock, timedelta(minutes=31))
    assert relay.count(ITEMS) == 3


@pytest.mark.slow
def test_provider_that_is_really_gone_is_believed_after_three_days(
    bench: Bench, relay: Relay, clock: VirtualClock
) -> None:
    take(bench, clock)
    relay.edits[PROVIDERS] = without("Skinport")
    for _ in range(2):
        take(bench, clock)
        assert len(bench.alerts()) == 1
    take(bench, clock)
    assert bench.alerts() == []


@pytest.mark.slow
def test_loss_can_be_accepted_at_once(bench: Bench, relay: Relay, clock: VirtualClock) -> None:
    take(bench, clock)
    relay.edits[PROVIDERS] = without("Skinport", "DMarket")
    take(bench, clock)
    (alert,) = bench.alerts()
    output = main_with("alerts", "accept", str(alert.alert_id), "--json", "--config", str(bench.config))
    assert read_result(output.out) == {
        "alert_id": alert.alert_id,
        "cause": "catalog.doubted",
        "subject": "providers",
        "quotes_closed": 0,
        "entries_dropped": 2,
    }
    assert (output.code, bench.alerts()) == (0, [])
    assert take(bench, clock, timedelta(minutes=10)).state == "done"
    assert take(bench, clock).state == "done"
    assert bench.alerts() == []


@pytest.mark.slow
def test_alert_without_missing_entries_cannot_be_accepted(
    bench: Bench, relay: Relay, clock: VirtualClock
) -> None:
    take(bench, clock)
    relay.replace(PROVIDERS, b"{}")
    take(bench, clock)
    (alert,) = bench.alerts()
    with pytest.raises(ConfigError, match="nothing to accept"):
        accept_loss(bench.settings, alert, clock)
    assert len(bench.alerts()) == 1


@pytest.mark.slow
def test_item_that_one_catalog_lacks_is_still_found(
    tmp_path: Path, relay: Relay, clock: VirtualClock
) -> None:
    """Few items come and go: that raises no alert, and no basket stops for a name that lacks for a day."""
    bench = Bench.create(tmp_path, {"cs2cap": relay.url}, basket(items=[REDLINE]))
    take(bench, clock)
    relay.edits[ITEMS] = edit_json(
        lambda c: {**c, "items": [item for item in c["items"] if item["market_hash_name"] != REDLINE]}
    )
    assert [take(bench, clock).state for _ in range(2)] == ["done"] * 2
    assert bench.alerts() == []
    with pytest.raises(ConfigError, match="no item is called"):
        take(bench, clock)


@pytest.mark.slow
def test_marketplace_that_vanishes_from_the_list_closes_nothing(
    bench: Bench, sandbox: Sandbox, relay: Relay, clock: VirtualClock
) -> None:
    """It lists nothing any more, and its health is not told: it counts as down."""
    take(bench, clock)
    before = bench.quotes()
    sandbox.set_provider_dark("steam")
    relay.edits[PROVIDERS] = without("Steam Community Market")
    take(bench, clock, timedelta(minutes=10))
    assert [row for row in bench.quotes() if row[0] == "steam"] == [
        row for row in before if row[0] == "steam"
    ]
    assert {alert.cause for alert in bench.alerts()} == {"catalog.doubted", "provider.dark"}
