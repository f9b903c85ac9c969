"""Numbers from outside: what makes sense becomes a count, a duration or a moment; everything else is None."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.numbers import LONGEST, add, from_unix_time, parse_count, parse_moment, parse_seconds, to_utc
from connectors.http.headers import localize_reset, parse_http_date, parse_quota, parse_reset, retry_after

LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
FIRST = datetime(1, 1, 1, tzinfo=UTC)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("41", 41),
        (str(10**15), 10**15),
        (str(10**15 + 1), None),
        ("9" * 5_000, None),
        ("-1", None),
        ("+1", None),
        ("1e6", None),
        ("1_000", None),
        ("\N{SUPERSCRIPT TWO}", None),
        ("\N{ARABIC-INDIC DIGIT ONE}", None),
        ("", None),
    ],
)
def test_count(text: str, count: int | None) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("1e300", LONGEST.total_seconds()),
        ("9" * 400, None),
        ("1e400", None),
        ("nan", None),
        ("inf", None),
        ("1_0", None),
        ("soon", None),
        ("", None),
    ],
)
def test_seconds(text: str, seconds: float | None) -> None:
    assert parse_seconds(text) == seconds


def test_moments_outside_of_the_calendar_are_none() -> None:
    assert to_utc(LAST.replace(tzinfo=timezone(timedelta(hours=-12)))) is None
    assert to_utc(FIRST.replace(tzinfo=timezone(timedelta(hours=14)))) is None
    assert to_utc(datetime(2026, 6, 1, 12)) == NOON  # noqa: DTZ001 - a moment without a zone
    assert add(LAST, timedelta(seconds=1)) is None
    assert add(FIRST, -timedelta(seconds=1)) is None
    assert from_unix_time(10**15) is None
    assert from_unix_time(float("nan")) is None
    assert parse_moment("9999-12-31T23:59:59-12:00") is None
    assert parse_moment("2026-06-01T12:00:00") is None
    assert parse_moment("2026-06-01T14:00:00+02:00") == NOON


_dates = st.sampled_from(
    ["Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT", "Mon, 01 Jun 2026 12:00:00 GMT"]
)
_texts = _dates | st.text(max_size=40) | st.integers().map(str) | st.floats().map(str)


@given(
    st.dictionaries(
        st.sampled_from(
            ["date", "retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]
        ),
        _texts,
    )
)
def test_any_headers_can_be_read(headers: dict[str, str]) -> None:
    parse_http_date(headers.get("date"))
    seconds = retry_after(headers, NOON)
    assert seconds is None or seconds >= 0
    quota = parse_quota(headers, NOON)
    assert quota.resets_at is None or abs(quota.resets_at - NOON) <= timedelta(days=32)
    assert localize_reset(parse_reset(headers), headers, NOON) == quota.resets_at


@given(st.sampled_from([FIRST, NOON, LAST]), st.timedeltas(), st.floats(), st.text(max_size=30))
def test_no_number_ends_in_an_exception(
    moment: datetime, length: timedelta, number: float, text: str
) -> None:
    add(moment, length)
    from_unix_time(number)
    parse_count(text)
    parse_moment(text)
    parse_seconds(text)
