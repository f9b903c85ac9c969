"""An error says in one line what happened and what to do, and can be sent between processes."""

import pickle
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common import errors
from common.text import sanitize

KINDS = [
    kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.SourceError)
]


def test_str_has_source_code_status_request_detail_and_guidance() -> None:
    error = errors.KeyRevoked("API key has been revoked.", "cs2cap", "AUTH_API_KEY_REVOKED", 401, "r-1")
    assert str(error) == (
        "cs2cap: AUTH_API_KEY_REVOKED (401): request r-1: API key has been revoked. "
        "Issue a new key in the source's dashboard and put it where the configuration looks for it."
    )


def test_str_without_context_is_the_detail() -> None:
    assert str(errors.ConfigError("no provider is configured")) == "no provider is configured"


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_can_be_pickled_and_copied(kind: type[errors.SourceError]) -> None:
    error = kind("detail", "cs2cap", code="CODE", status=429, request_id="r-1")
    for copy in (pickle.loads(pickle.dumps(error)), replace(error)):  # noqa: S301 - our own bytes
        assert type(copy) is kind
        assert vars(copy) == vars(error)
        assert str(copy) == str(error)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_but_a_configuration_error_has_guidance(kind: type[errors.SourceError]) -> None:
    assert bool(kind.guidance) == (kind not in {errors.SourceError, errors.ConfigError})


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        *[(kind, errors.AuthRejected) for kind in (errors.KeyMissing, errors.KeyInvalid, errors.KeyRevoked)],
        *[(kind, errors.AuthRejected) for kind in (errors.AccountDisabled, errors.AddressDenied)],
        *[(kind, errors.TransientError) for kind in (errors.RateLimited, errors.Busy, errors.Unavailable)],
        *[(kind, errors.TransientError) for kind in (errors.RequestTimeout, errors.ConnectionLost)],
    ],
)
def test_errors_are_grouped_by_recovery(kind: type[Any], group: type[Any]) -> None:
    assert issubclass(kind, group)


def test_only_some_errors_have_a_time_to_retry() -> None:
    noon = datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert errors.QuotaExhausted("gone", resets_at=noon).resets_at == noon
    assert errors.RateLimited("slow", retry_after=3.0).retry_after == 3.0
    assert not hasattr(errors.KeyRevoked("x"), "retry_after")


@given(st.text())
def test_sanitized_text_is_one_printable_bounded_line(text: str) -> None:
    line = sanitize(text)
    assert len(line) <= 200
    assert line.isprintable()
    assert line == line.strip()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("the month has 1,234,567 requests", "the month has…"),
        ("reset at 2026-06-01T12:00:00Z, wait", "reset at…"),
        ("x" * 300, "x" * 19 + "…"),
        ("body " + "a1" * 300, "body a1a1a1a1a1a1a1…"),
    ],
)
def test_sanitized_text_cuts_no_number(text: str, line: str) -> None:
    assert sanitize(text, 20) == line


@given(st.text(), st.text(), st.text())
def test_every_message_is_one_line(detail: str, code: str, request_id: str) -> None:
    assert str(errors.RequestRejected(detail, "cs2cap", code, 400, request_id)).isprintable()
