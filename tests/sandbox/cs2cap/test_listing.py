"""A walk over `/v1/prices` gives the rows of the ledger, whatever is asked for."""

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


def pages(box: Sandbox, *query: tuple[str, str], limit: int = 1000) -> Iterator[dict[str, Any]]:
    """Walk by the rules alone, without a server."""
    offset, more = 0, True
    while more:
        window = (("limit", str(limit)), ("offset", str(offset)))
        _, page = respond(box, ApiRequest("GET", "/v1/prices", (*query, *window), headers=AUTHORIZATION))
        yield page
        offset, more = offset + limit, page["pagination"]["has_next"]


def as_frame(rows: list[Row]) -> pl.DataFrame:
    """Rows of an answer in the columns of the ledger."""

    def moment(text: str | None) -> datetime | None:
        return None if text is None else parse_iso(text)

    times = [
        {**row, "timestamp": moment(row["timestamp"]), "last_updated": moment(row["last_updated"])}
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
def test_a_walk_is_the_ledger(seed: int, providers: set[str], currency: str, limit: int) -> None:
    box = Sandbox(Options(items=60, seed=seed, frozen=parse_iso("2026-06-01T12:00:00Z"), limits=False))
    query = [("providers", key) for key in providers]
    walked = list(pages(box, *query, ("currency", currency), limit=limit))
    rows = [row for page in walked for row in page["items"]]
    assert_frame_equal(as_frame(rows), box.ledger(currency=currency, providers=sorted(providers) or None))
    assert {page["pagination"]["total"] for page in walked} == {len(rows)}
    assert [page["pagination"]["has_prev"] for page in walked] == [n > 0 for n in range(len(walked))]
    assert all(len(page["items"]) == limit for page in walked[:-1])


def test_a_page_past_the_end_is_empty(sandbox: Sandbox, http_get: HttpGet) -> None:
    page = http_get(sandbox, offset=10**6).json()
    assert page["items"] == []
    assert page["pagination"]["has_next"] is False
    assert page["pagination"]["total"] == sandbox.ledger().height


def test_an_answer_repeats_the_question(sandbox: Sandbox, http_get: HttpGet) -> None:
    page = http_get(sandbox, item_id=3, providers=["steam", "csfloat"], currency="EUR").json()
    assert page["meta"] == {
        "currency": "EUR",
        "filters": {"item_id": 3, "requested_providers": ["csfloat", "steam"]},
        "providers_queried": ["csfloat", "steam"],
    }
    assert http_get(sandbox, limit=1).json()["meta"]["filters"] == {}


def doppler(box: Sandbox) -> dict[str | None, int]:
    """Item ids of the Doppler by phase."""
    return {entry.phase: entry.item_id for entry in box.market.board.catalog.by_name[DOPPLER]}


def items(box: Sandbox, http_get: HttpGet, **query: Any) -> list[Row]:
    found: list[Row] = http_get(box, **query).json()["items"]
    return found


def test_a_phaseless_name_or_id_aggregates_its_phases(sandbox: Sandbox, http_get: HttpGet) -> None:
    ids = doppler(sandbox)
    rows = items(sandbox, http_get, market_hash_name=DOPPLER)
    assert rows == items(sandbox, http_get, item_id=ids[None])
    assert {row["item_id"] for row in rows} == {ids[None]}
    assert all("phase" not in row for row in rows)
    assert_frame_equal(as_frame(rows), sandbox.ledger(item_ids=[ids[None]]))


@pytest.mark.parametrize("phase", ["Ruby", "Phase 2"])
def test_a_phase_is_found_by_name_and_by_either_id(sandbox: Sandbox, http_get: HttpGet, phase: str) -> None:
    ids = doppler(sandbox)
    rows = items(sandbox, http_get, market_hash_name=DOPPLER, phase=phase)
    assert rows
    assert {(row["item_id"], row["phase"]) for row in rows} == {(ids[phase], phase)}
    assert (
        rows
        == items(sandbox, http_get, item_id=ids[phase])
        == items(sandbox, http_get, item_id=ids[None], phase=phase)
    )


def test_an_id_wins_over_a_name(sandbox: Sandbox, http_get: HttpGet) -> None:
    assert items(sandbox, http_get, item_id=1, market_hash_name=DOPPLER) == items(
        sandbox, http_get, item_id=1
    )


def test_a_phase_alone_finds_all_items_that_have_it(sandbox: Sandbox, http_get: HttpGet) -> None:
    rows = items(sandbox, http_get, phase="Ruby")
    assert {row["phase"] for row in rows} == {"Ruby"}
    assert len({row["market_hash_name"] for row in rows}) > 1


@pytest.mark.parametrize(
    "query", [{"item_id": 10**6}, {"market_hash_name": "No such thing"}, {"item_id": 1, "phase": "Ruby"}]
)
def test_no_match_is_an_empty_page(sandbox: Sandbox, http_get: HttpGet, query: Row) -> None:
    answer = http_get(sandbox, **query)
    assert answer.status_code == 200
    assert answer.json()["items"] == []
    assert answer.json()["pagination"]["total"] == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda box: box.move(1, provider="steam"),
        lambda box: box.vanish(1, provider="steam"),
        lambda box: box.appear(1, provider="steam"),
        lambda box: box.set_provider_dark("steam"),
        lambda box: box.fx({"EUR": "0.5"}),
        lambda box: box.advance(60),
    ],
    ids=["move", "vanish", "appear", "dark", "fx", "time"],
)
def test_a_kept_page_is_rendered_again_when_it_changed(
    sandbox: Sandbox, http_get: HttpGet, change: Callable[[Sandbox], object]
) -> None:
    before = http_get(sandbox, providers="steam", currency="EUR").json()
    change(sandbox)
    after = http_get(sandbox, providers="steam", currency="EUR").json()
    assert after != before
    assert_frame_equal(as_frame(after["items"]), sandbox.ledger(providers=["steam"], currency="EUR"))


def test_a_page_of_others_is_kept(sandbox: Sandbox, http_get: HttpGet) -> None:
    http_get(sandbox, providers="csfloat")
    rendered = sandbox.api.pages.rendered
    sandbox.move(5, provider="steam")
    http_get(sandbox, providers="csfloat")
    assert sandbox.api.pages.rendered == rendered


def test_pages_rendered_ahead_are_those_that_a_walk_by_provider_asks_for() -> None:
    box = Sandbox(Options(items=60, frozen=parse_iso("2026-06-01T12:00:00Z"), limits=False, tier="free"))
    assert box.api.pages.prerender(100, box.sync(), url=False) == box.api.pages.rendered
    rendered = box.api.pages.rendered
    rows = sum(len(page["items"]) for key in KEYS for page in pages(box, ("providers", key), limit=100))
    assert rows == box.ledger().height
    assert box.api.pages.rendered == rendered


def test_a_dark_provider_is_down_and_has_no_rows(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.set_provider_dark("steam")
    assert items(sandbox, http_get, providers="steam") == []
    health = {
        info["key"]: info["health"]["status"] for info in http_get(sandbox, "/v1/providers").json().values()
    }
    assert set(health) == set(KEYS)
    assert health["steam"] == "down"
    assert set(health.values()) == {"down", "healthy", "degraded"}
