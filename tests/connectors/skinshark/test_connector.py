"""The walk of SkinShark's listing: one request for everything, pages where that is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from common.errors import (
    AddressDenied,
    AuthRejected,
    ConfigError,
    KeyMissing,
    KeyRevoked,
    PaginationError,
    PlanForbids,
    RateLimited,
    SourceError,
    Unavailable,
    UnexpectedResponse,
)
from common.shards import Item
from connectors.base import Account, ExtractResult
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from connectors.skinshark.connector import SkinShark
from connectors.tiers import limits_for
from sandbox.core import Sandbox
from sandbox.skinshark.merchant import SECOND_KEY
from tests.support.clocks import VirtualClock
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import DOPPLER, Landed, asks, listing, shark, told

T = TypeVar("T")
MARKETS = {"all": 0, "c5": 3, "ecosteam": 4}


def using(source: SkinShark, work: Callable[[SkinShark], Awaitable[T]]) -> T:
    """What `work` does with a connector, which is closed then."""

    async def run() -> T:
        try:
            return await work(source)
        finally:
            await source.aclose()

    return asyncio.run(run())


def walk(
    source: SkinShark, market: str = "all", items: tuple[Item, ...] | None = None
) -> tuple[ExtractResult, Landed]:
    landed = Landed()
    return using(source, lambda it: it.extract(listing(market, items), landed)), landed


def found(landed: Landed) -> set[tuple[Any, ...]]:
    rows = landed.rows.select("item_id", "phase", "delivery", "price").iter_rows()
    return {(item_id, phase, delivery, float(price)) for item_id, phase, delivery, price in rows}


def limits(box: Sandbox) -> list[str]:
    """The `limit` of each request for prices."""
    return [entry.query.split("&")[1] for entry in box.skinshark.requests.of_path("/market/prices")]


@pytest.mark.parametrize(("market", "number"), MARKETS.items())
def test_one_request_brings_everything(sandbox: Sandbox, market: str, number: int) -> None:
    outcome, landed = walk(shark(sandbox.url, market), market)
    assert found(landed) == asks(sandbox, number) != set()
    assert (outcome.pages, outcome.rows, outcome.rounds) == (1, len(told(sandbox)), 0)
    (sent,) = sandbox.skinshark.requests.since(0)
    assert sent.query == f"page=1&limit=-1&market={number}&includeFees=false"


def test_fees_are_asked_for_as_configured(sandbox: Sandbox) -> None:
    walk(shark(sandbox.url, include_fees=True))
    assert sandbox.skinshark.requests.since(0)[0].query.endswith("includeFees=true")


def test_other_items_are_dropped_and_still_counted(sandbox: Sandbox) -> None:
    every = {row["marketHashName"]: row["itemId"] for row in told(sandbox)}
    plain = next(row["itemId"] for row in told(sandbox) if row["instant"] is not None)
    wanted = (Item(plain, "", None), Item(every[DOPPLER], DOPPLER, "Ruby"))
    outcome, landed = walk(shark(sandbox.url), items=wanted)
    named = {(item.item_id, item.phase) for item in wanted}
    assert found(landed) == {row for row in asks(sandbox) if row[:2] in named}
    assert outcome.rows == len(told(sandbox))


@pytest.mark.parametrize("kind", ["paged", "too_large", "VALIDATION_FAILED", "drop", "MARKET_TIMEOUT"])
def test_pages_where_everything_at_once_does_not_come_through(make_sandbox: MakeSandbox, kind: str) -> None:
    box = make_sandbox(items=1400)
    box.skinshark.fault(kind, limit="-1", times=None)
    outcome, landed = walk(shark(box.url, clock=VirtualClock()))
    assert found(landed) == asks(box)
    assert outcome.pages == 3
    tries = 2 if kind in {"drop", "MARKET_TIMEOUT"} else 1
    assert limits(box) == ["limit=-1"] * tries + ["limit=500"] * 3


def test_a_refusal_is_remembered(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("VALIDATION_FAILED", limit="-1", times=None)
    source = shark(sandbox.url)

    async def twice(it: SkinShark) -> None:
        await it.items()
        await it.extract(listing(), Landed())

    using(source, twice)
    assert limits(sandbox) == ["limit=-1", "limit=500", "limit=500"]


@pytest.mark.parametrize("limit", ["-1", "500"])
def test_a_listing_that_does_not_add_up_is_broken(sandbox: Sandbox, limit: str) -> None:
    if limit == "500":
        sandbox.skinshark.fault("paged", limit="-1")
    sandbox.skinshark.fault("wrong_total", limit=limit, times=None)
    with pytest.raises(PaginationError, match="distinct rows") as broken:
        walk(shark(sandbox.url))
    assert broken.value.source == "shark"


def test_another_page_than_the_one_asked_for(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("wrong_page")
    with pytest.raises(PaginationError, match="asked for page 1, got 2") as broken:
        walk(shark(sandbox.url))
    assert broken.value.request_id == "req-00000001"


def test_rows_that_do_not_fit_are_counted_and_kept(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("broken_row")
    sandbox.skinshark.fault("new_field")
    outcome, landed = walk(shark(sandbox.url))
    (page,) = landed.pages.values()
    assert len(page.rejects) == 1
    assert page.unknown_fields == {"volume24h": len(told(sandbox)) - 1}
    assert outcome.rows == len(told(sandbox))


@pytest.mark.parametrize(("row", "kept"), [(0, 1), (1, 0)])
def test_a_reject_counts_where_it_may_be_about_what_is_wanted(sandbox: Sandbox, row: int, kept: int) -> None:
    first = told(sandbox)[0]
    sandbox.skinshark.fault("broken_row", params={"row": row})
    _, landed = walk(shark(sandbox.url), items=(Item(first["itemId"], "", None),))
    (page,) = landed.pages.values()
    assert len(page.rejects) == kept


@pytest.mark.parametrize("kind", ["bare", "untold"])
def test_an_answer_outside_of_the_contract(sandbox: Sandbox, kind: str) -> None:
    sandbox.skinshark.fault(kind)
    with pytest.raises(UnexpectedResponse):
        walk(shark(sandbox.url))
    assert len(sandbox.skinshark.requests) == 1


@pytest.mark.parametrize("kind", ["INTERNAL", "MAINTENANCE_MODE", "MARKET_UNAVAILABLE", "html", "drop"])
def test_what_passes_is_tried_again(sandbox: Sandbox, kind: str) -> None:
    sandbox.skinshark.fault(kind)
    outcome, landed = walk(shark(sandbox.url, clock=VirtualClock()))
    assert found(landed) == asks(sandbox)
    assert (outcome.pages, limits(sandbox)) == (1, ["limit=-1"] * 2)


def test_what_does_not_pass_ends_the_walk(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("MAINTENANCE_MODE", times=None)
    with pytest.raises(Unavailable, match="Maintenance mode") as down:
        walk(shark(sandbox.url, clock=VirtualClock(), retry=RetryPolicy(attempts=3)))
    assert down.value.request_id
    assert limits(sandbox) == ["limit=-1"] * 2 + ["limit=500"] * 3


def test_a_refusal_for_want_of_tokens_waits_as_told(sandbox: Sandbox) -> None:
    clock = VirtualClock()
    sandbox.skinshark.fault("RATE_LIMITED", params={"retry_after": 17})
    walk(shark(sandbox.url, clock=clock))
    assert clock.time >= 17


def test_the_bucket_is_never_overdrawn(make_sandbox: MakeSandbox) -> None:
    """Twenty listings of five tokens each, at sixty a minute, on clocks that go together."""
    box = make_sandbox(limits=True, frozen=None)
    clock = VirtualClock()

    class Together(VirtualClock):
        async def sleep(self, seconds: float) -> None:
            await clock.sleep(seconds)
            box.advance(seconds)

        def monotonic(self) -> float:
            return clock.monotonic()

    async def work(it: SkinShark) -> None:
        await it.account()
        for _ in range(20):
            await it.extract(listing(), Landed())

    using(shark(box.url, clock=Together()), work)
    assert {entry.status for entry in box.skinshark.requests.since(0)} == {200}
    assert 60 <= clock.time <= 120


@pytest.mark.parametrize("tier", ["auto", "standard", "premium", "enterprise"])
def test_the_account_proves_the_key_and_sets_the_pace(sandbox: Sandbox, tier: str) -> None:
    account = using(shark(sandbox.url, tier=tier), lambda it: it.account())
    pace = limits_for("standard" if tier == "auto" else tier, kind="skinshark").per_minute
    assert account == Account(None if tier == "auto" else tier, pace, None, None, None, active=True)
    assert [(entry.path, entry.status) for entry in sandbox.skinshark.requests.since(0)] == [
        ("/merchant", 200)
    ]


def test_the_last_request_is_remembered_by_its_id(sandbox: Sandbox) -> None:
    source = shark(sandbox.url)

    async def work(it: SkinShark) -> list[str]:
        seen = [it.request_id]
        await it.account()
        seen.append(it.request_id)
        sandbox.skinshark.merchant.revoke()
        with pytest.raises(KeyRevoked):
            await it.extract(listing(), Landed())
        return [*seen, it.request_id]

    assert using(source, work) == ["", "req-00000001", "req-00000002"]


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ("revoked", KeyRevoked),
        ("pinned", AddressDenied),
        ("no merchant", PlanForbids),
    ],
)
def test_a_rejection_is_not_tried_again(sandbox: Sandbox, wrong: str, kind: type[SourceError]) -> None:
    merchant = sandbox.skinshark.merchant
    if wrong == "revoked":
        merchant.revoke()
    elif wrong == "pinned":
        merchant.pin("203.0.113.7")
    else:
        sandbox.skinshark.fault("FORBIDDEN", times=None)
    with pytest.raises(kind) as rejected:
        walk(shark(sandbox.url))
    assert rejected.value.request_id
    assert len(sandbox.skinshark.requests) == 1


def test_a_key_never_shows_itself(sandbox: Sandbox) -> None:
    secret = "sk_live_nobody_knows_this_secret"
    with pytest.raises(AuthRejected) as rejected:
        walk(shark(sandbox.url, key=secret))
    shown = f"{rejected.value} {rejected.value!r} {rejected.value.__context__!r} {Key(SECOND_KEY)!r}"
    assert secret not in shown
    assert SECOND_KEY not in shown


@pytest.mark.parametrize(
    ("shard", "told"),
    [
        (listing("c5"), "the source has skinshark in USD, not c5 in USD"),
        (listing(currency="EUR"), "not skinshark in EUR"),
    ],
)
def test_what_the_source_does_not_have(sandbox: Sandbox, shard: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        using(shark(sandbox.url), lambda it: it.extract(shard, Landed()))
    with pytest.raises(ConfigError, match="US dollars only"):
        using(shark(sandbox.url), lambda it: it.fx())
    assert len(sandbox.skinshark.requests) == 0


def test_items_are_those_of_the_listing(sandbox: Sandbox) -> None:
    items = using(shark(sandbox.url), lambda it: it.items())
    assert items.filter(items["phase"].is_null())["item_id"].to_list() == [
        row["itemId"] for row in told(sandbox)
    ]
    phases = items.filter(items["market_hash_name"] == DOPPLER)["phase"].to_list()
    assert {"Ruby", "Sapphire", "Black Pearl", "Phase 1", None} <= set(phases)
    assert phases[-1] is None


@pytest.mark.parametrize(("market", "key"), [("all", "skinshark"), ("c5", "c5"), ("ecosteam", "ecosteam")])
def test_the_only_provider_is_called_as_cs2cap_calls_it(sandbox: Sandbox, market: str, key: str) -> None:
    providers = using(shark(sandbox.url, market), lambda it: it.providers())
    assert providers.select("provider", "default_currency").rows() == [(key, "USD")]
    assert len(sandbox.skinshark.requests) == 0


def test_a_limit_within_the_tries_is_told(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("RATE_LIMITED", times=None, params={"retry_after": 500})
    with pytest.raises(RateLimited):
        walk(shark(sandbox.url, clock=VirtualClock()))


def test_no_key_at_all(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("MISSING_API_KEY")
    with pytest.raises(KeyMissing):
        walk(shark(sandbox.url))
