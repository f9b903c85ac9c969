"""The limits of each tier, and the tier of an account."""

from __future__ import annotations

import pytest

from common.errors import ConfigError, TierUnknown
from connectors.base import Account
from connectors.tiers import limits_for


def make_account(tier: str | None, minute: int | None, month: int | None, *, root: bool = True) -> Account:
    return Account(tier, minute, month, 0, None, active=True, root=root)


@pytest.mark.parametrize(
    ("account", "tier"),
    [
        (make_account("starter", 40, 50_000), "starter"),
        (make_account(None, 100, 500_000), "pro"),
        (make_account(None, 101, 500_000), "quant"),
        (make_account(None, 10, 500), "free"),
        (make_account(None, 10, 500, root=False), "quant"),
        (make_account(None, 10**6, 10**9), "quant"),
        (make_account(None, None, 50_000), "starter"),
        (make_account("pro", None, None), "pro"),
        (make_account(None, None, None, root=False), "quant"),
    ],
    ids=[
        "named",
        "by its limits",
        "above a tier",
        "below all",
        "sub-key",
        "above all",
        "by one limit",
        "named without limits",
        "sub-key without limits",
    ],
)
def test_tier_of_an_account(account: Account, tier: str) -> None:
    assert limits_for("auto", account).tier == tier


@pytest.mark.parametrize("tier", [None, "enterprise"])
def test_account_that_tells_no_limits_is_not_taken_for_free(tier: str | None) -> None:
    with pytest.raises(TierUnknown, match="neither the tier nor the limits of this key"):
        limits_for("auto", make_account(tier, None, None))


def test_limits_of_the_account_override_the_tiers() -> None:
    limits = limits_for("pro", make_account(None, 7, 900))
    assert (limits.per_minute, limits.per_month, limits.streams_a_day) == (7, 900, 50)


def test_missing_limits_of_the_account_are_the_tiers() -> None:
    limits = limits_for("pro", make_account(None, None, None))
    assert (limits.per_minute, limits.per_month) == (100, 500_000)


@pytest.mark.parametrize("tier", ["auto", "platinum", "standard"])
def test_unknown_tier_raises(tier: str) -> None:
    with pytest.raises(ConfigError, match="free, starter, pro, quant"):
        limits_for(tier)


def test_each_kind_of_source_has_its_own_tiers() -> None:
    limits = limits_for("enterprise", kind="skinshark")
    assert (limits.listing, limits.per_minute, limits.per_month) == (True, 360, None)
