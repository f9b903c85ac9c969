"""What each tier includes, and which one an account has."""

from __future__ import annotations

import pytest

from common.errors import ConfigError
from connectors.base import Account
from connectors.tiers import limits_for


def account(tier: str | None, minute: int | None, month: int | None, *, root: bool = True) -> Account:
    return Account(tier, minute, month, 0, None, active=True, root=root)


@pytest.mark.parametrize(
    ("found", "tier"),
    [
        (account("starter", 40, 50_000), "starter"),
        (account(None, 100, 500_000), "pro"),
        (account(None, 101, 500_000), "quant"),
        (account(None, 10, 500), "free"),
        (account(None, 10, 500, root=False), "quant"),
        (account(None, 10**6, 10**9), "quant"),
        (account(None, None, None), "free"),
    ],
    ids=["named", "by its limits", "above a tier", "below all", "sub-key", "above all", "untold"],
)
def test_the_tier_of_an_account(found: Account, tier: str) -> None:
    assert limits_for("auto", found).tier == tier


def test_the_accounts_own_limits_count() -> None:
    terms = limits_for("pro", account(None, 7, 900))
    assert (terms.per_minute, terms.per_month, terms.streams_a_day) == (7, 900, 50)


def test_limits_that_are_untold_are_the_tiers() -> None:
    terms = limits_for("pro", account(None, None, None))
    assert (terms.per_minute, terms.per_month) == (100, 500_000)


@pytest.mark.parametrize("tier", ["auto", "platinum", "standard"])
def test_what_is_not_known_is_refused(tier: str) -> None:
    with pytest.raises(ConfigError, match="free, starter, pro, quant"):
        limits_for(tier)


def test_a_source_of_another_kind_has_tiers_of_its_own() -> None:
    terms = limits_for("enterprise", kind="skinshark")
    assert (terms.listing, terms.per_minute, terms.per_month) == (True, 360, None)
