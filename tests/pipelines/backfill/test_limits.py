"""What may be asked of the past: refused with the allowed range, and before a request that counts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from common.errors import ConfigError
from common.time_ranges import Interval
from connectors.tiers import limits_for
from pipelines.backfill.limits import allowed_window, requested_window
from pipelines.backfill.request import BackfillRequest
from sandbox.core import Sandbox
from sandbox.options import Options
from sandbox.server import serve
from tests.support.clocks import NOON
from tests.support.snapshots import REDLINE, Bench, basket, main_with

DAY = timedelta(days=1)
PRO, FREE = limits_for("pro"), limits_for("free")


def request(**fields: Any) -> BackfillRequest:
    """A request for the points of the last two days, unless `fields` say otherwise."""
    return BackfillRequest(**{"start": NOON - 2 * DAY, **fields})


def test_a_window_is_what_was_asked_for_and_ends_now_by_default() -> None:
    end = NOON - DAY
    assert requested_window(request(end=end), PRO, NOON) == (NOON - 2 * DAY, end)
    assert requested_window(request(), PRO, NOON) == (NOON - 2 * DAY, NOON)


def test_a_moment_without_a_zone_is_utc_and_another_zone_is_converted() -> None:
    east = timezone(timedelta(hours=2))
    naive = request(start=datetime(2026, 5, 30, 12), end=datetime(2026, 5, 31, 14, tzinfo=east))  # noqa: DTZ001
    assert requested_window(naive, PRO, NOON) == (NOON - 2 * DAY, NOON - DAY)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"end": NOON - 3 * DAY}, "2026-05-30 12:00 UTC, is not before the end (--to), 2026-05-29 12:00 UTC"),
        ({"end": NOON - 2 * DAY}, "is not before the end"),
        ({"start": NOON + DAY}, "the start (--from), 2026-06-02 12:00 UTC, lies in the future"),
        ({"end": NOON + timedelta(seconds=1)}, "the end (--to), 2026-06-01 12:00:01 UTC, lies in the future"),
        ({"start": NOON - 36 * DAY}, "the start (--from), 2026-04-26 12:00 UTC, is before"),
    ],
)
def test_a_window_that_cannot_be_names_the_one_that_can(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        requested_window(request(**fields), PRO, NOON)
    assert told in str(refused.value)
    assert "35 days: from 2026-04-27 12:00 UTC to 2026-06-01 12:00 UTC" in str(refused.value)


@pytest.mark.parametrize(("interval", "days"), [("5m", 7), ("1h", 30), ("1d", 365)])
def test_candles_reach_as_far_back_as_their_interval_allows(interval: Interval, days: int) -> None:
    start = NOON - days * DAY
    assert requested_window(request(series="candles", interval=interval, start=start), PRO, NOON) == (
        start,
        NOON,
    )
    with pytest.raises(ConfigError, match=f"candles of {interval} of {days} days: from {start:%Y-%m-%d}"):
        requested_window(request(series="candles", interval=interval, start=start - DAY), PRO, NOON)


def test_the_first_moment_that_is_kept_is_told_on_the_grid() -> None:
    odd = NOON + timedelta(minutes=1, seconds=7)
    assert allowed_window("points", None, PRO, now=odd).since == NOON - 35 * DAY + timedelta(minutes=5)
    assert allowed_window("points", None, PRO, now=NOON).since == NOON - 35 * DAY


@pytest.mark.parametrize("interval", ["5m", "1h"])
def test_an_interval_beyond_the_tier_names_the_one_within(interval: Interval) -> None:
    with pytest.raises(ConfigError, match=f"no candles of {interval}; it has candles of 1d, 30 days back"):
        requested_window(request(series="candles", interval=interval), FREE, NOON)


@pytest.mark.parametrize(("series", "what"), [("points", "price history"), ("sales", "sales")])
def test_a_tier_without_a_series_says_what_it_has(series: str, what: str) -> None:
    with pytest.raises(ConfigError, match=f"the free tier has no {what}; it has candles of 1d, 30 days back"):
        requested_window(request(series=series), FREE, NOON)


def test_a_source_without_a_past_says_so() -> None:
    sharks = limits_for("premium", kind="skinshark")
    with pytest.raises(ConfigError, match="the premium tier has no price history; it has no history"):
        requested_window(request(), sharks, NOON)


def test_an_interval_is_for_candles_and_for_no_other() -> None:
    with pytest.raises(ConfigError, match=r"an interval \(1h\) is for candles only"):
        requested_window(request(interval="1h"), PRO, NOON)
    with pytest.raises(ConfigError, match="candles need an interval: --interval 5m, 1h or 1d"):
        requested_window(request(series="candles"), PRO, NOON)


def test_sales_may_be_asked_for_from_any_past_moment() -> None:
    long_ago = NOON - 400 * DAY
    assert requested_window(request(series="sales", start=long_ago), PRO, NOON) == (long_ago, NOON)
    with pytest.raises(ConfigError, match="lies in the future; sales: any time up to now, 2026-06-01 12:00"):
        requested_window(request(series="sales", start=NOON + DAY), PRO, NOON)


def ago(days: float) -> str:
    """A moment so many days before this one, as the command takes it."""
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%S}"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with serve(Options(items=300, refresh=0, limits=False)) as box:
        yield box


@pytest.fixture(scope="module")
def bench(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Accounts of two plans at one source; their catalogs are at hand."""
    folder = tmp_path_factory.mktemp("limits")
    bench = Bench.at(folder, box, basket(), source={"tier": "pro"})
    (folder / "free.toml").write_text(bench.config.read_text("utf-8").replace('"pro"', '"free"'), "utf-8")
    assert main_with("plan", "--config", str(bench.config)).code == 0
    return bench


BAD = {
    "from after to": (["--from", ago(1), "--to", ago(2)], "is not before the end (--to)"),
    "from in the future": (["--from", ago(-1)], "lies in the future"),
    "to in the future": (["--from", ago(1), "--to", ago(-1)], "lies in the future"),
    "beyond retention": (["--from", ago(36)], "the pro tier has price history of 35 days: from "),
    "beyond a candle's retention": (
        ["--from", ago(8), "--series", "candles", "--interval", "5m"],
        "the pro tier has candles of 5m of 7 days: from ",
    ),
    "an unknown item": (["--from", ago(1), "--items", "AK-47 | Redlin"], f"did you mean '{REDLINE}'?"),
    "an unknown provider": (["--from", ago(1), "--providers", "steem"], "did you mean 'steam'?"),
    "a provider without sales": (
        ["--from", ago(3), "--series", "sales", "--providers", "steam"],
        "no sales from steam; ",
    ),
    "a provider of candles": (
        ["--from", ago(3), "--series", "candles", "--interval", "1d", "--providers", "steam"],
        "a candle covers all providers together",
    ),
}
BAD_FREE = {
    "an interval beyond the tier": (
        ["--from", ago(1), "--series", "candles", "--interval", "1h"],
        "the free tier has no candles of 1h; it has candles of 1d, 30 days back",
    ),
    "a window beyond the tier": (
        ["--from", ago(31), "--series", "candles", "--interval", "1d"],
        "the free tier has candles of 1d of 30 days: from ",
    ),
    "a series beyond the tier": (["--from", ago(1)], "the free tier has no price history"),
}


def refused(bench: Bench, box: Sandbox, config: str, arguments: list[str], told: str) -> None:
    """It ends with 2 and one line that says what is allowed, and nothing that counts was asked for."""
    before = len(box.requests)
    items = [] if "--items" in arguments else ["--items", REDLINE]
    said = main_with("backfill", *arguments, *items, "--no-prefect", "--config", str(bench.folder / config))
    assert (said.code, said.err.count("\n")) == (2, 1), said
    assert told in said.err
    assert {entry.path for entry in box.requests.since(before)} <= {"/v1/account/key"}


@pytest.mark.parametrize(("arguments", "told"), BAD.values(), ids=BAD)
def test_what_cannot_be_ends_before_a_request_that_counts(
    bench: Bench, box: Sandbox, arguments: list[str], told: str
) -> None:
    refused(bench, box, "floorline.toml", arguments, told)


@pytest.mark.parametrize(("arguments", "told"), BAD_FREE.values(), ids=BAD_FREE)
def test_what_the_tier_lacks_ends_before_a_request_that_counts(
    bench: Bench, box: Sandbox, arguments: list[str], told: str
) -> None:
    refused(bench, box, "free.toml", arguments, told)
