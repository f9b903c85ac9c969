"""The catalog and its filters: exact texts without regard to case, flags, an id, a part of the name."""

from typing import Any

import pytest

from sandbox.core import Sandbox
from tests.support.sandboxes import HttpGet

Item = dict[str, Any]
TEXTS = ("item_type", "item_subtype", "weapon_type", "base_name", "skin_name", "wear_name", "phase")
UNKNOWN = ("collection", "rarity_name", "rarity_color", "style_name", "crates")


def find(sandbox: Sandbox, http_get: HttpGet, **query: Any) -> list[Item]:
    response = http_get(sandbox, "/v1/items", **query)
    assert response.status_code == 200
    items: list[Item] = response.json()["items"]
    assert response.json()["pagination"]["total"] >= len(items)
    return items


@pytest.mark.parametrize("name", [*TEXTS, "market_hash_name"])
@pytest.mark.parametrize("change", [str, str.upper, str.lower])
def test_text_filter(sandbox: Sandbox, http_get: HttpGet, name: str, change: Any) -> None:
    catalog = find(sandbox, http_get)
    value = next(item[name] for item in catalog if item[name])
    expected = [item for item in catalog if item[name] == value]
    assert 0 < len(expected) < len(catalog)
    assert find(sandbox, http_get, **{name: change(value)}) == expected


@pytest.mark.parametrize("name", ["is_stattrak", "is_souvenir"])
@pytest.mark.parametrize(("text", "flag"), [("true", True), ("1", True), ("false", False), ("no", False)])
def test_flag(sandbox: Sandbox, http_get: HttpGet, name: str, text: str, flag: bool) -> None:
    catalog = find(sandbox, http_get)
    expected = [item for item in catalog if item[name] is flag]
    assert 0 < len(expected) < len(catalog)
    assert find(sandbox, http_get, **{name: text}) == expected


def test_all_filters_must_match(sandbox: Sandbox, http_get: HttpGet) -> None:
    catalog = find(sandbox, http_get)
    found = find(sandbox, http_get, q="karambit", is_stattrak="false", phase="ruby", item_type="weapon")
    assert found == [
        item
        for item in catalog
        if "Karambit" in item["market_hash_name"] and item["phase"] == "Ruby" and not item["is_stattrak"]
    ]
    assert found
    (one,) = find(sandbox, http_get, item_id=found[0]["item_id"], phase="Ruby")
    assert one == found[0]
    assert find(sandbox, http_get, item_id=one["item_id"], phase="Emerald") == []


@pytest.mark.parametrize(
    "name", [*TEXTS, "collection", "rarity_name", "rarity_color", "style_name", "crates"]
)
@pytest.mark.parametrize("text", ["", "nothing"])
def test_text_that_no_item_has(sandbox: Sandbox, http_get: HttpGet, name: str, text: str) -> None:
    assert find(sandbox, http_get, **{name: text}) == []


@pytest.mark.parametrize("query", [{"item_id": 0}, {"item_id": "x"}, {"is_stattrak": "null"}, {"limit": 0}])
def test_wrong_filter_is_a_422(sandbox: Sandbox, http_get: HttpGet, query: dict[str, Any]) -> None:
    response = http_get(sandbox, "/v1/items", **query)
    assert (response.status_code, response.json()["code"]) == (422, "VALIDATION_ERROR")
    assert response.json()["detail"][0]["loc"] == ["query", *query]
