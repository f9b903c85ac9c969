"""Failures of SkinShark: what is retried, what ends the extraction, and what stops the source or a route."""

from __future__ import annotations

import pytest

from common.errors import (
    AccountUnverified,
    AddressDenied,
    AuthRejected,
    KeyMissing,
    KeyRevoked,
    Outage,
    RouteForbidden,
    SourceError,
    Unavailable,
    UnexpectedResponse,
)
from connectors.http.auth import Key
from connectors.http.retry import RetryPolicy
from connectors.skinshark.connector import SkinShark
from sandbox.core import Sandbox
from sandbox.skinshark.merchant import SECOND_KEY
from tests.support.clocks import VirtualClock
from tests.support.cs2cap import PageCollector
from tests.support.skinshark import (
    extract,
    listed_prices,
    listing_shard,
    make_skinshark,
    prices_of,
    requested_limits,
    run_and_close,
)


@pytest.mark.parametrize("kind", ["bare", "unknown"])
def test_response_outside_of_the_contract_is_not_retried(sandbox: Sandbox, kind: str) -> None:
    sandbox.skinshark.fault(kind)
    with pytest.raises(UnexpectedResponse):
        extract(make_skinshark(sandbox.url))
    assert len(sandbox.skinshark.requests) == 1


@pytest.mark.parametrize(
    ("kind", "wait"),
    [("INTERNAL", 0), ("MAINTENANCE_MODE", 30), ("MARKET_UNAVAILABLE", 30), ("html", 0), ("drop", 0)],
)
def test_transient_failure_is_retried(sandbox: Sandbox, kind: str, wait: float) -> None:
    clock = VirtualClock()
    sandbox.skinshark.fault(kind)
    result, collector = extract(make_skinshark(sandbox.url, clock=clock))
    assert prices_of(collector) == listed_prices(sandbox)
    assert (result.pages, requested_limits(sandbox)) == (1, ["limit=-1"] * 2)
    assert wait <= clock.time < wait + 1


@pytest.mark.parametrize("kind", ["MAINTENANCE_MODE", "MARKET_UNAVAILABLE"])
def test_announced_outage_is_tried_once_more_after_half_a_minute(sandbox: Sandbox, kind: str) -> None:
    clock = VirtualClock()
    sandbox.skinshark.fault(kind, times=None)
    with pytest.raises(Outage) as outage:
        extract(make_skinshark(sandbox.url, clock=clock))
    assert outage.value.request_id
    assert (clock.slept, requested_limits(sandbox)) == ([30], ["limit=-1"] * 2)


def test_outage_after_another_failure_is_tried_once_more(sandbox: Sandbox) -> None:
    clock = VirtualClock()
    sandbox.skinshark.fault("INTERNAL", path="/merchant", times=2)
    sandbox.skinshark.fault("MAINTENANCE_MODE", path="/merchant", after=2, times=None)
    with pytest.raises(Outage):
        run_and_close(make_skinshark(sandbox.url, clock=clock), lambda source: source.account())
    assert [entry.status for entry in sandbox.skinshark.requests.since(0)] == [500, 500, 503, 503]
    assert clock.slept[2:] == [30]


def test_lasting_failure_ends_the_extraction(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("INTERNAL", times=None)
    with pytest.raises(Unavailable, match="Internal") as failure:
        extract(make_skinshark(sandbox.url, clock=VirtualClock(), retry=RetryPolicy(attempts=3)))
    assert failure.value.request_id
    assert requested_limits(sandbox) == ["limit=-1"] * 2 + ["limit=500"] * 3


def test_rate_limited_request_waits_as_the_header_says(sandbox: Sandbox) -> None:
    clock = VirtualClock()
    sandbox.skinshark.fault("RATE_LIMITED", params={"retry_after": 17})
    extract(make_skinshark(sandbox.url, clock=clock))
    assert clock.time >= 17


@pytest.mark.parametrize(
    ("cause", "error_class"),
    [
        ("revoked", KeyRevoked),
        ("pinned", AddressDenied),
        ("unverified", AccountUnverified),
    ],
)
def test_auth_rejection_is_not_retried(sandbox: Sandbox, cause: str, error_class: type[SourceError]) -> None:
    merchant = sandbox.skinshark.merchant
    if cause == "revoked":
        merchant.revoke()
    elif cause == "pinned":
        merchant.pin("203.0.113.7")
    else:
        merchant.state = cause
    with pytest.raises(error_class) as rejected:
        extract(make_skinshark(sandbox.url))
    assert rejected.value.request_id
    assert len(sandbox.skinshark.requests) == 1


@pytest.mark.parametrize("key", ["FORBIDDEN", "SOMETHING_NEW"])
def test_forbidden_route_stops_alone(sandbox: Sandbox, key: str) -> None:
    sandbox.skinshark.fault("error", times=None, params={"key": key, "status": 403})

    async def work(source: SkinShark) -> list[RouteForbidden]:
        errors = []
        for _ in range(2):
            with pytest.raises(RouteForbidden) as refused:
                await source.extract(listing_shard(), PageCollector())
            errors.append(refused.value)
            await source.account()
        return errors

    errors = run_and_close(make_skinshark(sandbox.url), work)
    assert {error.code for error in errors} == {key}
    assert all(f"{key} (403)" in str(error) and "GET /market/prices" in str(error) for error in errors)
    sent = [(entry.path, entry.status) for entry in sandbox.skinshark.requests.since(0)]
    assert sent == [("/market/prices", 403), ("/merchant", 200), ("/merchant", 200)]


def test_errors_never_show_a_key(sandbox: Sandbox) -> None:
    secret = "sk_live_nobody_knows_this_secret"
    with pytest.raises(AuthRejected) as rejected:
        extract(make_skinshark(sandbox.url, key=secret))
    text = f"{rejected.value} {rejected.value!r} {rejected.value.__context__!r} {Key(SECOND_KEY)!r}"
    assert secret not in text
    assert SECOND_KEY not in text


def test_missing_key_is_raised(sandbox: Sandbox) -> None:
    sandbox.skinshark.fault("MISSING_API_KEY")
    with pytest.raises(KeyMissing):
        extract(make_skinshark(sandbox.url))
