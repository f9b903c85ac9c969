"""SkinShark's listing is extracted in one request, or page by page where the API rejects that."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import (
    ConfigError,
    KeyRevoked,
    PaginationError,
    RateLimited,
    RequestRejected,
    SourceError,
)
from common.shards import Item
from connectors.base import Account
from connectors.skinshark.connector import SkinShark
from connectors.tiers import limits_for
from sandbox.core import Sandbox
from tests.support.clocks import SynchronizedClock, VirtualClock
from tests.support.cs2cap import PageCollector
from tests.support.sandboxes import MakeSandbox
from tests.support.skinshark import (
    DOPPLER,
    extract,
    listed_prices,
    listed_rows,
    listing_shard,
    make_skinshark,
    prices_of,
    requested_limits,
    run_and_close,
)


@pytest.mark.parametrize("phases", ["old", "new"])
def test_whole_listing_takes_one_request_without_a_market(make_sandbox: MakeSandbox, phases: str) -> None:
    sandbox = make_sandbox(phases=phases)
    result, collector = extract(make_skinshark(sandbox.url))
    assert prices_of(collector) == listed_prices(sandbox) != set()
    assert (result.pages, result.rows, result.rounds) == (1, len(listed_rows(sandbox)), 0)
    (sent,) = sandbox.skinshark.requests.since(0)
    assert sent.query == "page=1&limit=-1&includeFees=false"
    of_phases = {(phase is not None, delivery) for _, phase, delivery, _ in prices_of(collector)}
    assert ((True, "instant") in of_phases) == (phases == "new")


def test_fees_are_requested_as_configured(sandbox: Sandbox) -> None:
    extract(make_skinshark(sandbox.url, include_fees=True))
    assert sandbox.skinshark.requests.since(0)[0].query.endswith("includeFees=true")


def test_items_outside_the_selection_are_dropped_but_counted(sandbox: Sandbox) -> None:
    ids = {row["marketHashName"]: row["itemId"] for row in listed_rows(sandbox)}
    plain = next(row["itemId"] for row in listed_rows(sandbox) if row["instant"] is not None)
    selection = (Item(plain, "", None), Item(ids[DOPPLER], DOPPLER, "Ruby"))
    result, collector = extract(make_skinshark(sandbox.url), items=selection)
    keys = {(item.item_id, item.phase) for item in selection}
    assert prices_of(collector) == {row for row in listed_prices(sandbox) if row[:2] in keys}
    assert result.rows == len(listed_rows(sandbox))


@pytest.mark.parametrize("kind", ["paged", "too_large", "VALIDATION_FAILED", "drop", "MARKET_TIMEOUT"])
def test_listing_is_read_page_by_page_where_one_request_fails(make_sandbox: MakeSandbox, kind: str) -> None:
    sandbox = make_sandbox(items=1400)
    sandbox.skinshark.fault(kind, limit="-1", times=None)
    result, collector = extract(make_skinshark(sandbox.url, clock=VirtualClock()))
    assert prices_of(collector) == listed_prices(sandbox)
    assert result.pages == 3
    tries = 2 if kind in {"drop", "MARKET_TIMEOUT"} else 1
    assert requested_limits(sandbox) == ["limit=-1"] * tries + ["limit=500"] * 3


@pytest.mark.parametrize("kind", ["BAD_REQUEST", "NOT_FOUND", "FORBIDDEN", "MARKET_UNAVAILABLE"])
def test_failure_that_is_not_about_the_limit_is_not_requested_in_pages(sandbox: Sandbox, kind: str) -> None:
    sandbox.skinshark.fault(kind, times=None)
    with pytest.raises(SourceError) as failed:
        extract(make_skinshark(sandbox.url, clock=VirtualClock()))
    assert failed.value.code == kind
    assert set(requested_limits(sandbox)) == {"limit=-1"}


@pytest.mark.parametrize(
    ("path", "limits"), [(["limit"], ["limit=-1", "limit=500"]), (["includeFees"], ["limit=-1"])]
)
def test_rejected_field_decides_whether_pages_are_requested(
    sandbox: Sandbox, path: list[str], limits: list[str]
) -> None:
    details = [{"path": path, "message": "not allowed"}]
    sandbox.skinshark.fault("VALIDATION_FAILED", limit="-1", params={"details": details})
    if len(limits) == 2:
        extract(make_skinshark(sandbox.url))
    else:
        with pytest.raises(RequestRejected, match="includeFees: not allowed"):
            extract(make_skinshark(sandbox.url))
    assert requested_limits(sandbox) == limits


def test_rejected_whole_listing_is_not_requested_again(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("VALIDATION_FAILED", limit="-1", times=None)
    connector = make_skinshark(sandbox.url)

    async def twice(source: SkinShark) -> None:
        await source.items()
        await source.extract(listing_shard(), PageCollector())

    run_and_close(connector, twice)
    assert requested_limits(sandbox) == ["limit=-1", "limit=500", "limit=500"]


@pytest.mark.parametrize("limit", ["-1", "500"])
def test_listing_with_wrong_total_is_a_pagination_error(sandbox: Sandbox, limit: str) -> None:
    if limit == "500":
        sandbox.skinshark.fault("paged", limit="-1")
    sandbox.skinshark.fault("wrong_total", limit=limit, times=None)
    with pytest.raises(PaginationError, match="distinct rows") as broken:
        extract(make_skinshark(sandbox.url))
    assert broken.value.source == "shark"


def test_wrong_page_is_a_pagination_error(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("wrong_page")
    with pytest.raises(PaginationError, match="requested page 1, received 2") as broken:
        extract(make_skinshark(sandbox.url))
    assert broken.value.request_id == "req-00000001"


def test_rows_that_do_not_fit_are_rejected_and_counted(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("broken_row")
    sandbox.skinshark.fault("new_field")
    result, collector = extract(make_skinshark(sandbox.url))
    (page,) = collector.pages
    assert len(page.rejects) == 1
    assert page.unknown_fields == {"volume24h": len(listed_rows(sandbox))}
    assert result.rows == len(listed_rows(sandbox))


def test_row_of_a_broken_price_keeps_its_other_prices(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(phases="new")
    place, phased = next((n, row) for n, row in enumerate(listed_rows(sandbox)) if "phases" in row)
    phase, lost = next(iter(phased["phases"].items()))
    sandbox.skinshark.fault("broken_row", params={"row": place, "field": f"phases.{phase}.standard"})
    _, collector = extract(make_skinshark(sandbox.url))
    broken = (phased["itemId"], phase, "standard", lost["standard"])
    assert prices_of(collector) == listed_prices(sandbox) - {broken}
    (reject,) = collector.pages[0].rejects
    assert reject.reason.startswith(f"phases.{phase}.standard: ")


@pytest.mark.parametrize(("row", "rejects"), [(0, 1), (1, 0)])
def test_reject_is_kept_if_it_may_be_of_a_selected_item(sandbox: Sandbox, row: int, rejects: int) -> None:
    first = listed_rows(sandbox)[0]
    sandbox.skinshark.fault("broken_row", params={"row": row})
    _, collector = extract(make_skinshark(sandbox.url), items=(Item(first["itemId"], "", None),))
    (page,) = collector.pages
    assert len(page.rejects) == rejects


def test_token_bucket_is_never_overdrawn(make_sandbox: MakeSandbox) -> None:
    """A hundred listings of one token each, at sixty tokens a minute, on synchronized clocks."""
    sandbox = make_sandbox(items=10, limits=True, frozen=None)
    clock = SynchronizedClock(sandbox)

    async def work(source: SkinShark) -> None:
        await source.account()
        for _ in range(100):
            await source.extract(listing_shard(), PageCollector())

    run_and_close(make_skinshark(sandbox.url, clock=clock), work)
    assert {entry.status for entry in sandbox.skinshark.requests.since(0)} == {200}
    assert 40 <= clock.time < 80


@pytest.mark.parametrize("tier", ["auto", "standard", "premium", "enterprise"])
def test_account_proves_the_key_and_sets_the_rate(sandbox: Sandbox, tier: str) -> None:
    account = run_and_close(make_skinshark(sandbox.url, tier=tier), lambda source: source.account())
    per_minute = limits_for("standard" if tier == "auto" else tier, kind="skinshark").per_minute
    assert account == Account(
        None if tier == "auto" else tier, per_minute, None, used=None, expires_at=None, active=True
    )
    assert [(entry.path, entry.status) for entry in sandbox.skinshark.requests.since(0)] == [
        ("/merchant", 200)
    ]


def test_id_of_the_last_request_is_known(sandbox: Sandbox) -> None:
    connector = make_skinshark(sandbox.url)

    async def work(source: SkinShark) -> list[str]:
        ids = [source.request_id]
        await source.account()
        ids.append(source.request_id)
        sandbox.skinshark.merchant.revoke()
        with pytest.raises(KeyRevoked):
            await source.extract(listing_shard(), PageCollector())
        return [*ids, source.request_id]

    assert run_and_close(connector, work) == ["", "req-00000001", "req-00000002"]


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        (listing_shard("c5"), "the source has skinshark in USD, not c5 in USD"),
        (listing_shard(currency="EUR"), "not skinshark in EUR"),
    ],
)
def test_unsupported_marketplace_or_currency_is_a_config_error(
    sandbox: Sandbox, shard: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        run_and_close(make_skinshark(sandbox.url), lambda source: source.extract(shard, PageCollector()))
    with pytest.raises(ConfigError, match="US dollars only"):
        run_and_close(make_skinshark(sandbox.url), lambda source: source.fx())
    assert len(sandbox.skinshark.requests) == 0


def test_catalog_has_the_items_of_the_listing(sandbox: Sandbox) -> None:
    items = run_and_close(make_skinshark(sandbox.url), lambda source: source.items())
    assert items.filter(items["phase"].is_null())["item_id"].to_list() == [
        row["itemId"] for row in listed_rows(sandbox)
    ]
    phases = items.filter(items["market_hash_name"] == DOPPLER)["phase"].to_list()
    assert {"Ruby", "Sapphire", "Black Pearl", "Phase 1", None} <= set(phases)
    assert phases[-1] is None


@pytest.mark.parametrize(("market", "key"), [("all", "skinshark"), ("c5", "c5"), ("ecosteam", "ecosteam")])
def test_provider_keys_equal_those_of_cs2cap(sandbox: Sandbox, market: str, key: str) -> None:
    providers = run_and_close(make_skinshark(sandbox.url, market), lambda source: source.providers())
    assert providers.select("provider", "default_currency").rows() == [(key, "USD")]
    assert len(sandbox.skinshark.requests) == 0


def test_rate_limit_longer_than_the_retries_is_raised(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("RATE_LIMITED", times=None, params={"retry_after": 500})
    with pytest.raises(RateLimited):
        extract(make_skinshark(sandbox.url, clock=VirtualClock()))
