"""The sandbox against the contract file, where that lies beside the repository."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.market.item_names import PHASES
from sandbox.market.money import RATES
from sandbox.market.providers import KEYS
from tests.support.sandboxes import HttpGet

API = Path(__file__).parents[4] / "shared" / "api"
Schema = dict[str, Any]
DOPPLER = "★ Karambit | Doppler (Factory New)"
BEARER = {"Authorization": f"Bearer {VALID_KEY}"}
pytestmark = pytest.mark.skipif(not API.exists(), reason="the contract is not here")
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def misfits(value: Any, schema: Schema, contract: Schema, where: str = "$") -> Iterator[str]:
    """Where a value does not fit a schema, as far as this contract uses schemas."""
    if "$ref" in schema:
        schema = contract["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    kind = schema.get("type")
    if "anyOf" in schema:
        if all(list(misfits(value, choice, contract, where)) for choice in schema["anyOf"]):
            yield f"{where}: {value!r} fits no choice"
    elif kind and type(value) not in KINDS[kind]:
        yield f"{where}: {value!r} is no {kind}"
    elif kind == "string" and not re.search(schema.get("pattern", ""), value):
        yield f"{where}: {value!r} does not match"
    elif kind in {"array", "object"}:
        yield from inner_misfits(value, schema, contract, where)


def inner_misfits(value: Any, schema: Schema, contract: Schema, where: str) -> Iterator[str]:
    """Where the parts of a list or an object do not fit."""
    yield from (f"{where}: no {name}" for name in schema.get("required", []) if name not in value)
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        known = (
            schema.get("properties", {}).get(name)
            or schema.get("items")
            or schema.get("additionalProperties")
        )
        yield from misfits(item, known or {}, contract, f"{where}.{name}")


def test_a_misfit_is_found(contract: Schema) -> None:
    row = {"provider": "steam", "item_id": "1", "lowest_ask": 1, "quantity": 1, "lowest_ask_decimal": "1,5"}
    found = list(misfits(row, {"$ref": "#/components/schemas/MarketItem"}, contract))
    assert [line.split(":")[0] for line in found] == ["$", "$.item_id", "$.lowest_ask_decimal"]


@pytest.fixture(scope="module")
def contract() -> Schema:
    loaded: Schema = json.loads((API / "cs2cap-openapi.json").read_text(encoding="utf-8"))
    return loaded


def test_providers_and_phases_are_those_of_the_contract(contract: Schema) -> None:
    schemas = contract["components"]["schemas"]
    assert list(KEYS) == sorted(schemas["AllProviders"]["enum"])
    assert set(PHASES) == set(schemas["PhaseName"]["enum"])


def test_currencies_are_known_to_the_api() -> None:
    assert set(RATES) <= set(json.loads((API / "cs2cap-currencies.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/prices", {}),
        ("/v1/prices", {"item_id": 1, "currency": "BTC"}),
        ("/v1/prices", {"phase": "Ruby"}),
        ("/v1/bids", {}),
        ("/v1/bids", {"phase": "Ruby", "currency": "BTC"}),
        ("/v1/items", {}),
        ("/v1/providers", {}),
        ("/v1/fx", {}),
        ("/v1/prices/history", {"item_id": 3}),
        ("/v1/prices/history", {"phase": "Ruby", "market_hash_name": DOPPLER, "currency": "BTC", "limit": 9}),
        ("/v1/prices/candles", {"item_id": 3}),
        (
            "/v1/prices/candles",
            {"market_hash_name": DOPPLER, "phase": "Ruby", "interval": "5m", "fill": "true"},
        ),
        ("/v1/sales", {}),
        ("/v1/sales", {"phase": "Ruby", "min_float": 0.01, "providers": ["youpin", "c5"], "limit": 5}),
    ],
)
def test_an_answer_fits_its_schema(
    sandbox: Sandbox, http_get: HttpGet, contract: Schema, path: str, query: dict[str, Any]
) -> None:
    described = contract["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert list(misfits(http_get(sandbox, path, **query).json(), described, contract)) == []


@pytest.mark.parametrize("path", ["/v1/prices", "/v1/bids"])
def test_a_batch_fits_its_schema(sandbox: Sandbox, contract: Schema, path: str) -> None:
    described = contract["paths"][f"{path}/batch"]["post"]["responses"]["200"]["content"]
    body = {"item_ids": list(range(1, 90)), "market_hash_names": ["Kilowatt Case", "nothing"]}
    answer = httpx.post(f"{sandbox.url}{path}/batch", json=body, headers=BEARER).json()
    assert answer["items"]
    assert list(misfits(answer, described["application/json"]["schema"], contract)) == []


@pytest.mark.parametrize(("path", "row"), [("/v1/prices", "MarketItem"), ("/v1/bids", "BuyOrderItem")])
def test_a_stream_fits_its_schema(sandbox: Sandbox, contract: Schema, path: str, row: str) -> None:
    answer = httpx.post(sandbox.url + path, headers=BEARER)
    described = contract["components"]["schemas"][row]
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert [misfit for one in rows for misfit in misfits(one, described, contract)] == []
    assert set(rows[0]) <= set(described["properties"])
    promised = contract["paths"][path]["post"]["responses"]["200"]["headers"]
    assert {name for name in promised if name not in answer.headers} <= {
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
    }


@pytest.mark.parametrize("path", ["/v1/prices", "/v1/bids"])
def test_refusals_of_a_stream_are_the_examples_of_the_contract(
    make_sandbox: Callable[..., Sandbox], contract: Schema, path: str
) -> None:
    box = make_sandbox(tier="starter", limits=True)
    answers = contract["paths"][path]["post"]["responses"]

    def example(status: int) -> Any:
        return answers[str(status)]["content"]["application/json"]["example"]

    def refused(status: int) -> Any:
        answer = httpx.post(box.url + path, headers=BEARER)
        assert answer.status_code == status
        return answer

    assert refused(403).json() == example(403)
    box.key(VALID_KEY, tier="quant").streaming.add(path)
    assert refused(409).json() == example(409)
    box.key(VALID_KEY).streaming.clear()
    box.key(VALID_KEY).set_streams_left(0, box.clock.now())
    full = refused(429)
    assert full.json() == example(429)
    assert all(name in full.headers for name in answers["429"]["headers"])


def test_the_account_fits_its_schema(sandbox: Sandbox, http_get: HttpGet, contract: Schema) -> None:
    described = contract["components"]["schemas"]["APIKeyInfo"]
    key = http_get(sandbox, "/v1/account/key").json()["key"]
    assert list(misfits(key, described, contract)) == []
    assert set(key) <= set(described["properties"])


@pytest.mark.parametrize(
    ("query", "example"),
    [({"limit": 5000}, "limitTooHigh"), ({"providers": "not-a-provider"}, "invalidProviderEnum")],
)
def test_a_422_is_the_example_of_the_contract(
    sandbox: Sandbox, http_get: HttpGet, contract: Schema, query: dict[str, Any], example: str
) -> None:
    examples = contract["paths"]["/v1/prices"]["get"]["responses"]["422"]["content"]["application/json"][
        "examples"
    ]
    told, expected = http_get(sandbox, **query).json(), examples[example]["value"]
    if example == "invalidProviderEnum":
        told["detail"][0].pop("ctx")
        expected["detail"][0].pop("ctx")
    assert told == expected


@pytest.mark.parametrize(
    ("path", "query", "example"),
    [
        ("/v1/prices/history", {"start": "now"}, "invalidStart"),
        ("/v1/prices/history", {"end": "now"}, "invalidEnd"),
        ("/v1/prices/history", {"start": "2026-05-30", "end": "2026-05-29"}, "endBeforeStart"),
        ("/v1/prices/candles", {"interval": "4h"}, "invalidInterval"),
        ("/v1/prices/candles", {"start": "2020-01-01", "interval": "1h"}, "startOutsideRetention"),
        ("/v1/prices/candles", {"lookback": "long"}, "invalidLookback"),
        ("/v1/prices/candles", {"end": "2026-05-29", "start": "2026-05-30"}, "endBeforeStart"),
        ("/v1/prices/candles", {"cursor": "x"}, "removedCursor"),
        ("/v1/prices/candles", {"limit": 1}, "removedLimit"),
        ("/v1/prices/candles", {"provider": "steam"}, "legacyProvider"),
        ("/v1/sales", {"cursor": "x"}, "invalidCursor"),
        ("/v1/sales", {"providers": "avanmarket"}, "unsupportedSalesProvider"),
    ],
)
def test_a_400_of_a_series_is_the_example_of_the_contract(
    sandbox: Sandbox, http_get: HttpGet, contract: Schema, path: str, query: dict[str, Any], example: str
) -> None:
    answers = contract["paths"][path]["get"]["responses"]["400"]["content"]["application/json"]["examples"]
    told = http_get(sandbox, path, item_id=3, **query)
    assert (told.status_code, told.json()) == (400, answers[example]["value"])
