"""The limits of a backfill request: an invalid one names the allowed window and uses no quota."""

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
    """Return a request for the points of the last two days; `fields` override."""
    return BackfillRequest(**{"start": NOON - 2 * DAY, **fields})


def test_window_ends_now_by_default() -> None:
    end = NOON - DAY
    assert requested_window(request(end=end), PRO, NOON) == (NOON - 2 * DAY, end)
    assert requested_window(request(), PRO, NOON) == (NOON - 2 * DAY, NOON)


def test_time_without_zone_is_utc_and_other_zones_are_converted() -> None:
    east = timezone(timedelta(hours=2))
    naive = request(start=datetime(2026, 5, 30, 12), end=datetime(2026, 5, 31, 14, tzinfo=east))  # noqa: DTZ001
    assert requested_window(naive, PRO, NOON) == (NOON - 2 * DAY, NOON - DAY)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"end": NOON - 3 * DAY}, "2026-05-30 12:00 UTC, is not before the end (--to), 2026-05-29 12:00 UTC"),
        ({"end": NOON - 2 * DAY}, "is not before the end"),
        ({"start": NOON + DAY}, "the start (--from), 2026-06-02 12:00 UTC, is in the future"),
        ({"end": NOON + timedelta(seconds=1)}, "the end (--to), 2026-06-01 12:00:01 UTC, is in the future"),
        ({"start": NOON - 36 * DAY}, "the start (--from), 2026-04-26 12:00 UTC, is before"),
    ],
)
def test_invalid_window_names_the_allowed_one(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        requested_window(request(**fields), PRO, NOON)
    assert message in str(error.value)
    assert "35 days: from 2026-04-27 12:00 UTC to 2026-06-01 12:00 UTC" in str(error.value)


@pytest.mark.parametrize(("interval", "days"), [("5m", 7), ("1h", 30), ("1d", 365)])
def test_candle_window_depends_on_the_interval(interval: Interval, days: int) -> None:
    start = NOON - days * DAY
    assert requested_window(request(series="candles", interval=interval, start=start), PRO, NOON) == (
        start,
        NOON,
    )
    with pytest.raises(ConfigError, match=f"candles of {interval} of {days} days: from {start:%Y-%m-%d}"):
        requested_window(request(series="candles", interval=interval, start=start - DAY), PRO, NOON)


def test_earliest_start_is_on_the_grid() -> None:
    odd = NOON + timedelta(minutes=1, seconds=7)
    assert allowed_window("points", None, PRO, now=odd).since == NOON - 35 * DAY + timedelta(minutes=5)
    assert allowed_window("points", None, PRO, now=NOON).since == NOON - 35 * DAY


def test_daily_points_are_of_any_time_and_of_the_largest_tier_only() -> None:
    years = request(series="daily", start=NOON - 3_650 * DAY)
    midnight = NOON.replace(hour=0)  # the closing price of today is not known yet
    assert requested_window(years, limits_for("quant"), NOON) == (NOON - 3_650 * DAY, midnight)
    with pytest.raises(ConfigError, match="the pro tier has no daily points; it has candles of 5m"):
        requested_window(years, PRO, NOON)
    with pytest.raises(ConfigError, match=r"an interval \(1d\) is for candles only"):
        requested_window(request(series="daily", interval="1d"), limits_for("quant"), NOON)


@pytest.mark.parametrize("interval", ["5m", "1h"])
def test_interval_beyond_the_tier_names_the_allowed_one(interval: Interval) -> None:
    with pytest.raises(ConfigError, match=f"no candles of {interval}; it has candles of 1d, 30 days back"):
        requested_window(request(series="candles", interval=interval), FREE, NOON)


@pytest.mark.parametrize(("series", "what"), [("points", "price history"), ("sales", "sales")])
def test_series_beyond_the_tier_names_what_the_tier_has(series: str, what: str) -> None:
    with pytest.raises(ConfigError, match=f"the free tier has no {what}; it has candles of 1d, 30 days back"):
        requested_window(request(series=series), FREE, NOON)


def test_source_without_history_is_a_config_error() -> None:
    skinshark = limits_for("premium", kind="skinshark")
    with pytest.raises(ConfigError, match="the premium tier has no price history; it has no history"):
        requested_window(request(), skinshark, NOON)


def test_interval_is_required_for_candles_and_rejected_otherwise() -> None:
    with pytest.raises(ConfigError, match=r"an interval \(1h\) is for candles only"):
        requested_window(request(interval="1h"), PRO, NOON)
    with pytest.raises(ConfigError, match="candles need an interval: --interval 5m, 1h or 1d"):
        requested_window(request(series="candles"), PRO, NOON)


def test_sales_may_start_at_any_past_time() -> None:
    long_ago = NOON - 400 * DAY
    assert requested_window(request(series="sales", start=long_ago), PRO, NOON) == (long_ago, NOON)
    with pytest.raises(ConfigError, match="is in the future; sales: any time up to now, 2026-06-01 12:00"):
        requested_window(request(series="sales", start=NOON + DAY), PRO, NOON)


def days_ago(days: float) -> str:
    """Return the time this number of days ago, as the command takes it."""
    return f"{datetime.now(UTC) - timedelta(days=days):%Y-%m-%dT%H:%M:%S}"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with serve(Options(items=300, refresh=0, limits=False)) as box:
        yield box


@pytest.fixture(scope="module")
def bench(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Return a bench with accounts of two tiers at one source, and cached catalogs."""
    folder = tmp_path_factory.mktemp("limits")
    bench = Bench.at(folder, box, basket(), source={"tier": "pro"})
    (folder / "free.toml").write_text(bench.config.read_text("utf-8").replace('"pro"', '"free"'), "utf-8")
    assert main_with("plan", "--config", str(bench.config)).code == 0
    return bench


INVALID = {
    "from after to": (["--from", days_ago(1), "--to", days_ago(2)], "is not before the end (--to)"),
    "from in the future": (["--from", days_ago(-1)], "is in the future"),
    "to in the future": (["--from", days_ago(1), "--to", days_ago(-1)], "is in the future"),
    "beyond retention": (["--from", days_ago(36)], "the pro tier has price history of 35 days: from "),
    "beyond a candle's retention": (
        ["--from", days_ago(8), "--series", "candles", "--interval", "5m"],
        "the pro tier has candles of 5m of 7 days: from ",
    ),
    "an unknown item": (["--from", days_ago(1), "--items", "AK-47 | Redlin"], f"did you mean '{REDLINE}'?"),
    "an unknown provider": (["--from", days_ago(1), "--providers", "steem"], "did you mean 'steam'?"),
    "a provider without sales": (
        ["--from", days_ago(3), "--series", "sales", "--providers", "steam"],
        "no sales from steam; ",
    ),
    "a provider of candles": (
        ["--from", days_ago(3), "--series", "candles", "--interval", "1d", "--providers", "steam"],
        "a candle covers all providers together",
    ),
    **{
        f"{series} in another currency": (
            ["--from", days_ago(1), "--currency", "btc", "--series", *series.split()],
            "--currency btc: a history is fetched in USD only; the API rounds every other currency",
        )
        for series in ("points", "candles --interval 1d", "sales")
    },
}
INVALID_ON_FREE_TIER = {
    "an interval beyond the tier": (
        ["--from", days_ago(1), "--series", "candles", "--interval", "1h"],
        "the free tier has no candles of 1h; it has candles of 1d, 30 days back",
    ),
    "a window beyond the tier": (
        ["--from", days_ago(31), "--series", "candles", "--interval", "1d"],
        "the free tier has candles of 1d of 30 days: from ",
    ),
    "a series beyond the tier": (["--from", days_ago(1)], "the free tier has no price history"),
}


def check_rejected(bench: Bench, box: Sandbox, config: str, arguments: list[str], message: str) -> None:
    """Check that the command exits with 2 and one line, and sends no request that uses quota."""
    before = len(box.requests)
    items = [] if "--items" in arguments else ["--items", REDLINE]
    result = main_with("backfill", *arguments, *items, "--no-prefect", "--config", str(bench.folder / config))
    assert (result.code, result.err.count("\n")) == (2, 1), result
    assert message in result.err
    assert {entry.path for entry in box.requests.since(before)} <= {"/v1/account/key"}


@pytest.mark.parametrize(("arguments", "message"), INVALID.values(), ids=INVALID)
def test_invalid_request_uses_no_quota(
    bench: Bench, box: Sandbox, arguments: list[str], message: str
) -> None:
    check_rejected(bench, box, "floorline.toml", arguments, message)


@pytest.mark.parametrize(("arguments", "message"), INVALID_ON_FREE_TIER.values(), ids=INVALID_ON_FREE_TIER)
def test_request_beyond_the_tier_uses_no_quota(
    bench: Bench, box: Sandbox, arguments: list[str], message: str
) -> None:
    check_rejected(bench, box, "free.toml", arguments, message)
