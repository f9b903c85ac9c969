"""The pages of `/v1/prices` have the rows of the ledger for every query."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from sandbox.clock import parse_iso
from sandbox.core import Sandbox
from sandbox.http_types import ApiRequest
from sandbox.market.ledger import SCHEMA
from sandbox.market.providers import KEYS
from sandbox.options import Options
from tests.support.sandbox_series import AUTHORIZATION, respond
from tests.support.sandboxes import HttpGet

Row = dict[str, Any]
DOPPLER = "★ Karambit | Doppler (Factory New)"


def read_pages(sandbox: Sandbox, *query: tuple[str, str], limit: int = 1000) -> Iterator[dict[str, Any]]:
    """Yield the pages of a listing, without a server."""
    offset, more = 0, True
    while more:
        window = (("limit", str(limit)), ("offset", str(offset)))
        _, page = respond(sandbox, ApiRequest("GET", "/v1/prices", (*query, *window), headers=AUTHORIZATION))
        yield page
        offset, more = offset + limit, page["pagination"]["has_next"]


def as_frame(rows: list[Row]) -> pl.DataFrame:
    """Return rows of a response in the columns of the ledger."""

    def parse_time(text: str | None) -> datetime | None:
        return None if text is None else parse_iso(text)

    times = [
        {**row, "timestamp": parse_time(row["timestamp"]), "last_updated": parse_time(row["last_updated"])}
        for row in rows
    ]
    return pl.DataFrame([[row.get(name) for name in SCHEMA] for row in times], schema=SCHEMA, orient="row")


@given(
    seed=st.integers(min_value=0, max_value=50),
    providers=st.sets(st.sampled_from(KEYS), max_size=4),
    currency=st.sampled_from(["USD", "EUR", "JPY", "KWD", "BTC"]),
    limit=st.integers(min_value=37, max_value=1000),
)
@settings(max_examples=20)
def test_pages_equal_the_ledger(seed: int, providers: set[str], currency: str, limit: int) -> None:
    sandbox = Sandbox(Options(items=60, seed=seed, frozen=parse_iso("2026-06-01T12:00:00Z"), limits=False))
    query = [("providers", key) for key in providers]
    pages = list(read_pages(sandbox, *query, ("currency", currency), limit=limit))
    rows = [row for page in pages for row in page["items"]]
    assert_frame_equal(as_frame(rows), sandbox.ledger(currency=currency, providers=sorted(providers) or None))
    assert {page["pagination"]["total"] for page in pages} == {len(rows)}
    assert [page["pagination"]["has_prev"] for page in pages] == [n > 0 for n in range(len(pages))]
    assert all(len(page["items"]) == limit for page in pages[:-1])


def test_page_after_the_end_is_empty(sandbox: Sandbox, http_get: HttpGet) -> None:
    page = http_get(sandbox, offset=10**6).json()
    assert page["items"] == []
    assert page["pagination"]["has_next"] is False
    assert page["pagination"]["total"] == sandbox.ledger().height


def test_response_repeats_the_query(sandbox: Sandbox, http_get: HttpGet) -> None:
    page = http_get(sandbox, item_id=3, providers=["steam", "csfloat"], currency="EUR").json()
    assert page["meta"] == {
        "currency": "EUR",
        "filters": {"item_id": 3, "requested_providers": ["csfloat", "steam"]},
        "providers_queried": ["csfloat", "steam"],
    }
    assert http_get(sandbox, limit=1).json()["meta"]["filters"] == {}


def doppler_ids(sandbox: Sandbox) -> dict[str | None, int]:
    """Return the item ids of the Doppler by phase."""
    return {entry.phase: entry.item_id for entry in sandbox.market.board.catalog.by_name[DOPPLER]}


def get_items(sandbox: Sandbox, http_get: HttpGet, **query: Any) -> list[Row]:
    rows: list[Row] = http_get(sandbox, **query).json()["items"]
    return rows


def test_name_or_id_without_a_phase_aggregates_its_phases(sandbox: Sandbox, http_get: HttpGet) -> None:
    ids = doppler_ids(sandbox)
    rows = get_items(sandbox, http_get, market_hash_name=DOPPLER)
    assert rows == get_items(sandbox, http_get, item_id=ids[None])
    assert {row["item_id"] for row in rows} == {ids[None]}
    assert all("phase" not in row for row in rows)
    assert_frame_equal(as_frame(rows), sandbox.ledger(item_ids=[ids[None]]))


@pytest.mark.parametrize("phase", ["Ruby", "Phase 2"])
def test_phase_is_found_by_name_and_by_either_id(sandbox: Sandbox, http_get: HttpGet, phase: str) -> None:
    ids = doppler_ids(sandbox)
    rows = get_items(sandbox, http_get, market_hash_name=DOPPLER, phase=phase)
    assert rows
    assert {(row["item_id"], row["phase"]) for row in rows} == {(ids[phase], phase)}
    assert (
        rows
        == get_items(sandbox, http_get, item_id=ids[phase])
        == get_items(sandbox, http_get, item_id=ids[None], phase=phase)
    )


def test_id_wins_over_name(sandbox: Sandbox, http_get: HttpGet) -> None:
    assert get_items(sandbox, http_get, item_id=1, market_hash_name=DOPPLER) == get_items(
        sandbox, http_get, item_id=1
    )


def test_phase_alone_selects_all_its_items(sandbox: Sandbox, http_get: HttpGet) -> None:
    rows = get_items(sandbox, http_get, phase="Ruby")
    assert {row["phase"] for row in rows} == {"Ruby"}
    assert len({row["market_hash_name"] for row in rows}) > 1


@pytest.mark.parametrize(
    "query", [{"item_id": 10**6}, {"market_hash_name": "No such thing"}, {"item_id": 1, "phase": "Ruby"}]
)
def test_query_without_a_match_is_an_empty_page(sandbox: Sandbox, http_get: HttpGet, query: Row) -> None:
    response = http_get(sandbox, **query)
    assert response.status_code == 200
    assert response.json()["items"] == []
    assert response.json()["pagination"]["total"] == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda sandbox: sandbox.move(1, provider="steam"),
        lambda sandbox: sandbox.vanish(1, provider="steam"),
        lambda sandbox: sandbox.appear(1, provider="steam"),
        lambda sandbox: sandbox.set_provider_dark("steam"),
        lambda sandbox: sandbox.fx({"EUR": "0.5"}),
        lambda sandbox: sandbox.advance(60),
    ],
    ids=["move", "vanish", "appear", "dark", "fx", "time"],
)
def test_cached_page_is_rendered_again_after_a_change(
    sandbox: Sandbox, http_get: HttpGet, change: Callable[[Sandbox], object]
) -> None:
    before = http_get(sandbox, providers="steam", currency="EUR").json()
    change(sandbox)
    after = http_get(sandbox, providers="steam", currency="EUR").json()
    assert after != before
    assert_frame_equal(as_frame(after["items"]), sandbox.ledger(providers=["steam"], currency="EUR"))


def test_page_of_other_providers_stays_cached(sandbox: Sandbox, http_get: HttpGet) -> None:
    http_get(sandbox, providers="csfloat")
    rendered = sandbox.api.pages.rendered
    sandbox.move(5, provider="steam")
    http_get(sandbox, providers="csfloat")
    assert sandbox.api.pages.rendered == rendered


def test_prerendered_pages_are_those_of_a_listing_by_provider() -> None:
    sandbox = Sandbox(Options(items=60, frozen=parse_iso("2026-06-01T12:00:00Z"), limits=False, tier="free"))
    assert sandbox.api.pages.prerender(100, sandbox.sync(), url=False) == sandbox.api.pages.rendered
    rendered = sandbox.api.pages.rendered
    rows = sum(
        len(page["items"]) for key in KEYS for page in read_pages(sandbox, ("providers", key), limit=100)
    )
    assert rows == sandbox.ledger().height
    assert sandbox.api.pages.rendered == rendered


def test_dark_provider_is_down_and_has_no_rows(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.set_provider_dark("steam")
    assert get_items(sandbox, http_get, providers="steam") == []
    health = {
        info["key"]: info["health"]["status"] for info in http_get(sandbox, "/v1/providers").json().values()
    }
    assert set(health) == set(KEYS)
    assert health["steam"] == "down"
    assert set(health.values()) == {"down", "up", "degraded"}
