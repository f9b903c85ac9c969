"""Secrets in addresses are masked, whatever surrounds and follows them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.addresses import is_loopback, mask_secrets, without_user


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("http://me:pw@127.0.0.1:4200/api", "http://***@127.0.0.1:4200/api"),
        ("http://token@proxy:3128", "http://***@proxy:3128"),
        ("socks5h://me:p%40w@proxy", "socks5h://***@proxy"),
        ("postgresql+asyncpg://prefect:s3@cr3t@db/prefect", "postgresql+asyncpg://***@db/prefect"),
        ("http://me:pa/ss@proxy", "http://***@proxy"),
        ("http://me:pa?ss#1@proxy:1/x", "http://***@proxy:1/x"),
        (
            "no answer at 'https://me:pw@a/b' by http://u:v@c!",
            "no answer at 'https://***@a/b' by http://***@c!",
        ),
        ("http://me:pw@[::1]:4200/api", "http://***@[::1]:4200/api"),
        ("HTTP://ME:PW@HOST", "HTTP://***@HOST"),
        ("json://user:hunter22@h/path?x=1", "json://***@h/path?x=1"),
        # New are the next three; the others are guards.
        ("http://me:pa ss@proxy:1", "http://***@proxy:1"),
        ("postgresql://me:a b@c d@db/prefect is down", "postgresql://***@db/prefect is down"),
        ("http://me:p w@a and http://you:q v@b", "http://***@a and http://***@b"),
        ("http://host/a@b", "http://host/a@b"),
        ("http://host:80 is down: mail me@example.org", "http://host:80 is down: mail me@example.org"),
        ("http://host: no items A @ B", "http://host: no items A @ B"),
        ("https://api.cs2c.app/v1/prices?q=a@b.example", "https://api.cs2c.app/v1/prices?q=a@b.example"),
        ("mail me@example.org", "mail me@example.org"),
        ("", ""),
    ],
)
def test_user_information_is_masked(text: str, masked: str) -> None:
    assert mask_secrets(text) == masked
    assert mask_secrets(masked) == masked


@pytest.mark.parametrize(
    "text", ["http://me:p'w@proxy", 'http://me:"pw"@proxy', "http://me:p@/w@proxy", "http://:pw@proxy"]
)
def test_no_part_of_an_odd_password_is_left(text: str) -> None:
    assert mask_secrets(text) == "http://***@proxy"


@pytest.mark.slow
@given(password=st.text(min_size=1).filter(lambda text: not set(text) & set("\t\n") and text.isprintable()))
def test_no_printable_password_survives(password: str) -> None:
    if password.strip("0123456789")[:1] in {"/", "?", "#", ""} or password != password.strip():
        return  # an address with a port
    if re.match(r"\d+ ", password) or "://" in password:
        return  # a port before a blank, or another address
    assert mask_secrets(f"http://me:{password}@proxy:3128/") == "http://***@proxy:3128/"


def test_address_without_user_and_names_of_this_machine() -> None:
    assert without_user("http://me:pw@h:1/x@y") == "http://h:1/x@y"
    assert [is_loopback(url) for url in ("http://LOCALHOST:1/api", "http://[::1]:1", "http://127.0.0.1")] == [
        True
    ] * 3
    assert [is_loopback(url) for url in ("http://127.0.0.1.evil.example", "http://[x", "https://h", "")] == [
        False
    ] * 4
