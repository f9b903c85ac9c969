"""The walk of a stream: what it lands, when it counts as whole, and that it begins as often as requested."""

import asyncio
import random
from dataclasses import replace

import polars as pl
import pytest

from common import errors
from common.clock import SystemClock
from common.shards import Item
from connectors.base import ExtractResult
from connectors.cs2cap.client import Cs2capClient
from connectors.cs2cap.connector import CS2Cap
from connectors.cs2cap.errors import GATED_ROUTES
from connectors.http.auth import Key
from connectors.pages import PageBuilder, RawChunk, RawPage, TypedPage
from connectors.pagination import PageInfo
from connectors.shards import BIDS, Shard
from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.clocks import NOON
from tests.support.cs2cap import STREAM, Landing, as_ledger, count_posts, ledger, use, walk
from tests.support.sandboxes import MakeSandbox

KEYS = ("steam", "buff163", "csfloat")


@pytest.fixture
def box(make_sandbox: MakeSandbox) -> Sandbox:
    """A sandbox whose tier has streams."""
    return make_sandbox(tier="pro")


def streamed(box: Sandbox, shard: Shard = STREAM) -> tuple[Landing, ExtractResult]:
    landing, outcome = walk(box.url, shard)
    assert isinstance(outcome, ExtractResult), outcome
    return landing, outcome


def failed(box: Sandbox, shard: Shard = STREAM) -> tuple[Landing, errors.SourceError]:
    landing, error = walk(box.url, shard)
    assert isinstance(error, errors.SourceError), error
    return landing, error


def test_a_stream_is_the_ledger_as_of_its_snapshot(box: Sandbox) -> None:
    box.fault("skewed_date", seconds=90, method="POST", times=None)
    landing, outcome = streamed(box)
    assert as_ledger(landing.rows) == ledger(box, STREAM)
    assert outcome == ExtractResult(len(landing.pages), landing.rows.height, 0)
    assert {page.observed_at for page in landing.pages} == {NOON}
    assert {page.request for page in landing.pages} == {0}
    assert count_posts(box) == 1


def test_a_long_stream_is_landed_in_pieces_that_follow_each_other(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(items=1500, tier="pro")
    shard = replace(STREAM, providers=(), every_provider=True)
    landing, _ = streamed(box, shard)
    assert len(landing.pages) > 1
    ends = [page.offset + page.rows.height for page in landing.pages]
    assert landing.offsets == [0, *ends[:-1]]
    assert landing.rows.height == box.ledger().height
    assert landing.rows.select("provider", "item_id").equals(
        box.ledger().select("provider", pl.col("item_id").cast(pl.String))
    )


def test_only_the_wanted_items_are_kept(box: Sandbox) -> None:
    wanted = tuple(Item(str(number), "", None) for number in (1, 7, 30))
    shard = replace(STREAM, items=wanted)
    landing, outcome = streamed(box, shard)
    assert as_ledger(landing.rows) == ledger(box, shard)
    assert outcome.rows == box.ledger(providers=KEYS).height
    assert {page.total for page in landing.pages} == {-1}


def test_a_stream_of_bids(box: Sandbox) -> None:
    landing, _ = streamed(box, replace(STREAM, deliveries=BIDS))
    told = box.ledger(providers=KEYS, bids=True)
    assert landing.rows["lowest_ask"].to_list() == told["highest_bid"].to_list()
    assert landing.rows["quantity"].to_list() == told["num_bids"].to_list()
    assert set(landing.rows["delivery"]) == {"bid"}


def test_nobody_at_all_is_a_whole_stream_without_rows(box: Sandbox) -> None:
    for key in KEYS:
        box.set_provider_dark(key)
    landing, outcome = streamed(box)
    assert outcome.rows == 0
    assert len(landing.pages) == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "truncate", "rows": 100}, "broke off after 100 rows"),
        ({"kind": "truncate", "share": 0.5}, "broke off after"),
        ({"kind": "truncate", "how": "gzip"}, "gzip was cut"),
        ({"kind": "short_stream", "rows": 3}, "were promised"),
    ],
    ids=["rows", "share", "gzip", "short"],
)
def test_one_that_breaks_off_lands_what_came_and_is_not_begun_again(
    box: Sandbox, fault: dict[str, object], told: str
) -> None:
    box.fault(method="POST", times=None, **fault)  # type: ignore[arg-type]
    landing, error = failed(box)
    assert isinstance(error, errors.PaginationError)
    assert told in error.detail
    assert f"after {landing.rows.height} rows" in error.detail
    assert as_ledger(landing.rows) == as_ledger(streamed_rows(box).head(landing.rows.height))
    assert count_posts(box) == 1


def streamed_rows(box: Sandbox) -> pl.DataFrame:
    """What a whole catalog walk brings, in the order of a stream."""
    walks = [walk(box.url, Shard(0, "cs2cap", "USD", (key,), None), limit=None)[0] for key in KEYS]
    rows = pl.concat([landing.rows for landing in walks])
    order = box.ledger(providers=KEYS).select("provider", pl.col("item_id").cast(pl.String))
    return order.join(rows, on=["provider", "item_id"], how="left", maintain_order="left").select(
        rows.columns
    )


def test_a_body_that_stops_coming_breaks_off_at_the_deadline(box: Sandbox) -> None:
    box.fault("stall", seconds=5, method="POST")

    async def main() -> ExtractResult:
        source = CS2Cap(Cs2capClient("cs2cap", box.url, Key(VALID_KEY), SystemClock()), stream_deadline=0.5)
        try:
            return await source.extract(STREAM, Landing().land)
        finally:
            await source.aclose()

    with pytest.raises(errors.PaginationError, match=r"no answer in 0\.5 s"):
        asyncio.run(main())
    assert count_posts(box) == 1


def test_no_total_is_no_reason_for_doubt(box: Sandbox) -> None:
    box.fault("unknown_total", method="POST")
    landing, outcome = streamed(box)
    assert outcome.rows == landing.rows.height == box.ledger(providers=KEYS).height


def test_a_broken_line_is_rejected_with_its_text_and_the_others_come(box: Sandbox) -> None:
    box.fault("broken_line", method="POST", row=5, text='{"provider": "steam", "lowest_ask": "1"}')
    landing, outcome = streamed(box)
    (reject,) = (reject for page in landing.pages for reject in page.rejects)
    assert reject.raw == '{"provider": "steam", "lowest_ask": "1"}'
    assert reject.reason
    assert outcome.rows == landing.rows.height + 1 == box.ledger(providers=KEYS).height


def test_a_line_without_end_ends_the_stream(box: Sandbox) -> None:
    endless = "".join(random.Random(1).choices("01234567", k=2 * 2**20))  # the first piece is all within it
    box.fault("broken_line", method="POST", row=5, text=endless)
    landing, error = failed(box)
    assert isinstance(error, errors.UnexpectedResponse)
    assert "a line without end" in error.detail
    assert landing.pages == []


def test_a_new_field_is_counted_in_every_row(box: Sandbox) -> None:
    box.fault("new_field", method="POST", name="float_value", value=0.5)
    landing, outcome = streamed(box)
    assert as_ledger(landing.rows) == ledger(box, STREAM)
    counted = [page.unknown_fields.get("float_value", 0) for page in landing.pages]
    assert sum(counted) == outcome.rows


@pytest.mark.parametrize(
    "fault",
    [{"kind": "rate_limited", "retry_after": 30}, {"kind": "unavailable"}, {"kind": "html"}],
    ids=lambda fault: str(fault["kind"]),
)
def test_a_refusal_that_passes_is_waited_out(box: Sandbox, fault: dict[str, object]) -> None:
    box.fault(method="POST", times=2, **fault)  # type: ignore[arg-type]
    landing, _ = streamed(box)
    assert as_ledger(landing.rows) == ledger(box, STREAM)
    assert count_posts(box) == 3


def test_one_stream_at_a_time_and_the_next_waits_as_told(box: Sandbox) -> None:
    box.fault("stall", seconds=0.5, method="POST")

    async def both() -> list[ExtractResult]:
        client = Cs2capClient("cs2cap", box.url, Key(VALID_KEY), SystemClock())
        source = CS2Cap(client)
        try:
            walks = [source.extract(STREAM, Landing().land) for _ in range(2)]
            return list(await asyncio.gather(*walks))
        finally:
            await source.aclose()

    whole = box.ledger(providers=KEYS).height
    assert [outcome.rows for outcome in asyncio.run(both())] == [whole, whole]
    assert sorted(entry.status or 0 for entry in box.requests.since(0)) == [200, 200, 409]


def test_an_answer_that_was_lost_is_not_asked_for_again(box: Sandbox) -> None:
    box.fault("lost_answer", method="POST", times=None)
    landing, error = failed(box)
    assert isinstance(error, errors.PaginationError)
    assert "the stream may have started" in error.detail
    assert landing.pages == []
    assert count_posts(box) == 1


@pytest.mark.parametrize("path", ["/v1/prices", "/v1/bids"])
def test_a_tier_without_streams_is_told(make_sandbox: MakeSandbox, path: str) -> None:
    box = make_sandbox(tier="starter")
    _, error = failed(box, replace(STREAM, deliveries=BIDS if path == "/v1/bids" else ("standard",)))
    assert isinstance(error, errors.PlanForbids)
    assert f"POST {path}" in GATED_ROUTES
    assert count_posts(box) == 1


def test_another_currency_than_usd_is_our_own_mistake(box: Sandbox) -> None:
    _, error = failed(box, replace(STREAM, currency="EUR"))
    assert isinstance(error, errors.ConfigError)
    assert count_posts(box) == 0


def test_a_stream_that_nobody_asked_for_is_refused(box: Sandbox) -> None:
    async def job(source: CS2Cap) -> ExtractResult:
        return await source.extract(replace(STREAM, providers=("steam",)), landing.land)

    box.fault("broken_row", method="POST", field="provider", value="buff163", row=0)
    landing = Landing()
    with pytest.raises(errors.UnexpectedResponse, match="not asked for buff163"):
        use(box.url, job)
    assert landing.pages == []


def test_a_cancelled_walk_lands_what_has_arrived(box: Sandbox) -> None:
    box.fault("stall", seconds=30, method="POST")
    landing = Landing()

    async def job(source: CS2Cap) -> None:
        walking = asyncio.create_task(source.extract(STREAM, landing.land))
        await asyncio.sleep(0.5)
        walking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await walking

    use(box.url, job)
    assert 0 < landing.rows.height < box.ledger(providers=KEYS).height


def test_a_landing_that_fails_ends_the_walk_with_its_own_error(make_sandbox: MakeSandbox) -> None:
    box = make_sandbox(items=1500, tier="pro")
    landed: list[TypedPage | RawChunk | RawPage] = []

    class FullError(Exception):
        pass

    async def full(make: PageBuilder) -> PageInfo:
        page, sheet = make()
        if landed:
            raise FullError
        landed.append(page)
        return sheet

    shard = replace(STREAM, every_provider=True)
    with pytest.raises(FullError):
        use(box.url, lambda source: source.extract(shard, full))
    assert len(landed) == 1
