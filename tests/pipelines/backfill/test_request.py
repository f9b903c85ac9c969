"""The request of a backfill: any text is a time in range, or an error that names the option."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ConfigError
from common.numbers import EARLIEST_YEAR
from pipelines.backfill.request import parse_request

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes() | st.datetimes(timezones=OFFSETS)


@given(text=st.text(max_size=40) | st.integers().map(str) | TIMES.map(datetime.isoformat))
def test_any_text_is_a_time_in_range_or_an_error(text: str) -> None:
    told = ""
    try:
        start = parse_request({"start": text}).start
        assert start.tzinfo is UTC
        assert start.year >= EARLIEST_YEAR
    except ConfigError as error:
        told = str(error)
    assert not told or told.startswith(
        ("--from takes a date such as 2026-10-20", "--from must be in the years")
    )


@given(time=TIMES)
def test_every_time_in_range_is_read_exactly(time: datetime) -> None:
    zoned = time if time.tzinfo else time.replace(tzinfo=UTC)
    try:
        utc = zoned.astimezone(UTC)
    except OverflowError:
        utc = None
    if utc is None or utc.year < EARLIEST_YEAR:
        with pytest.raises(ConfigError, match="years"):
            parse_request({"start": time.isoformat()})
    else:
        assert parse_request({"start": time.isoformat()}).start == utc


@pytest.mark.parametrize("text", ["", "1", "1760000000", "2023-02-29", "2026-10-20T24:30", "now", "\udcff"])
def test_numbers_and_wrong_dates_are_refused(text: str) -> None:
    """A number used to be a Unix time, and `--from 1` the year 1970."""
    with pytest.raises(ConfigError, match="--to takes a date such as 2026-10-20 or a time such as"):
        parse_request({"start": "2026-10-20", "end": text})
