"""SkinShark in the configuration: defaults, rejected values, and the host that its key may be sent to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from common.errors import ConfigError
from connectors.http.auth import ApiKeyAuth, Key
from pipelines.config import Cs2capSettings, Settings, SkinsharkSettings, parse_settings


def parse(**sources: Any) -> Settings:
    return parse_settings({"sources": sources}, Path())


def test_name_implies_the_kind_and_its_defaults() -> None:
    sources = parse(
        skinshark={}, cs2cap={}, staging={"kind": "skinshark", "base_url": "https://a.example"}
    ).sources
    assert isinstance(sources["cs2cap"], Cs2capSettings)
    assert sources["skinshark"] == SkinsharkSettings(
        base_url="https://api.skinshark.gg",
        key="env:SKINSHARK_API_KEY",
        key_next="env:SKINSHARK_API_KEY_NEXT",
        market="all",
        include_fees=False,
    )
    assert isinstance(sources["staging"], SkinsharkSettings)


def test_environment_sets_keys_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOORLINE_SOURCES__SKINSHARK__MARKET", "c5")
    monkeypatch.setenv("FLOORLINE_SOURCES__SKINSHARK__INCLUDE_FEES", "true")
    source = parse().sources["skinshark"]
    assert isinstance(source, SkinsharkSettings)
    assert (source.market, source.include_fees) == ("c5", True)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"market": "buff"}, "source skinshark: market must be one of"),
        ({"tier": "pro"}, "source skinshark: tier must be one of"),
        ({"key_next": "sk_live_itself"}, "source skinshark: key_next must say where the key is"),
        ({"on_behalf_of": "customer 7"}, "source skinshark: on_behalf_of must be an id or externalId"),
        ({"kind": "skinsharp"}, "source skinshark: kind must be cs2cap or skinshark"),
    ],
)
def test_error_names_the_key_without_its_value(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(skinshark=fields)
    assert message in str(caught.value)
    assert "sk_live_itself" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://api.skinshark.gg/market/prices", True),
        ("https://API.skinshark.gg:443/merchant", True),
        ("http://api.skinshark.gg/merchant", False),
        ("https://api.skinshark.gg:8443/merchant", False),
        ("https://skinshark.gg.example/merchant", False),
    ],
)
def test_key_is_sent_to_its_own_host_in_its_own_header(url: str, sent: bool) -> None:
    auth = ApiKeyAuth(Key("sk_live_a_key_to_go"), "https://api.skinshark.gg")
    headers = auth(httpx.Request("GET", url)).headers
    assert headers.get("api-key") == ("sk_live_a_key_to_go" if sent else None)
    assert "authorization" not in headers
    assert "x-api-key" not in headers
