"""The sandbox against the contract file, where that exists next to the repository."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from sandbox.market.item_names import PHASES
from sandbox.market.money import RATES
from sandbox.market.providers import KEYS
from tests.support import patient
from tests.support.sandboxes import HttpGet, MakeSandbox

API = Path(__file__).parents[4] / "shared" / "api"
Schema = dict[str, Any]
DOPPLER = "★ Karambit | Doppler (Factory New)"
BEARER = {"Authorization": f"Bearer {VALID_KEY}"}
pytestmark = pytest.mark.skipif(not API.exists(), reason="the contract file is missing")
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}


def find_mismatches(value: Any, schema: Schema, contract: Schema, location: str = "$") -> Iterator[str]:
    """Yield the mismatches between a value and a schema, for the keywords of this contract."""
    if "$ref" in schema:
        schema = contract["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    json_type = schema.get("type")
    if "anyOf" in schema:
        if all(list(find_mismatches(value, choice, contract, location)) for choice in schema["anyOf"]):
            yield f"{location}: {value!r} matches no choice"
    elif json_type and type(value) not in KINDS[json_type]:
        yield f"{location}: {value!r} is not {json_type}"
    elif json_type == "string" and not re.search(schema.get("pattern", ""), value):
        yield f"{location}: {value!r} does not match"
    elif json_type in {"array", "object"}:
        yield from find_inner_mismatches(value, schema, contract, location)


def find_inner_mismatches(value: Any, schema: Schema, contract: Schema, location: str) -> Iterator[str]:
    """Yield the mismatches of the items of a list or of the fields of an object."""
    yield from (f"{location}: no {name}" for name in schema.get("required", []) if name not in value)
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        inner_schema = (
            schema.get("properties", {}).get(name)
            or schema.get("items")
            or schema.get("additionalProperties")
        )
        yield from find_mismatches(item, inner_schema or {}, contract, f"{location}.{name}")


def test_schema_mismatches_are_found(contract: Schema) -> None:
    row = {"provider": "steam", "item_id": "1", "lowest_ask": 1, "quantity": 1, "lowest_ask_decimal": "1,5"}
    mismatches = list(find_mismatches(row, {"$ref": "#/components/schemas/MarketItem"}, contract))
    assert [line.split(":")[0] for line in mismatches] == ["$", "$.item_id", "$.lowest_ask_decimal"]


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


@pytest.mark.slow
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
        ("/v1/market/history/chart", {"item_id": 3, "lookback": 9}),
        (
            "/v1/market/history/chart",
            {"market_hash_name": DOPPLER, "providers": ["steam"], "currency": "BTC"},
        ),
        ("/v1/market/items", {}),
        ("/v1/sales", {}),
        ("/v1/sales", {"phase": "Ruby", "min_float": 0.01, "providers": ["youpin", "c5"], "limit": 5}),
    ],
)
def test_response_matches_its_schema(
    sandbox: Sandbox, http_get: HttpGet, contract: Schema, path: str, query: dict[str, Any]
) -> None:
    sandbox.key(VALID_KEY, tier="quant")  # the plan that has every route
    schema = contract["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert list(find_mismatches(http_get(sandbox, path, **query).json(), schema, contract)) == []


@pytest.mark.parametrize("path", ["/v1/prices", "/v1/bids"])
def test_batch_matches_its_schema(sandbox: Sandbox, contract: Schema, path: str) -> None:
    schema = contract["paths"][f"{path}/batch"]["post"]["responses"]["200"]["content"]
    body = {"item_ids": list(range(1, 90)), "market_hash_names": ["Kilowatt Case", "nothing"]}
    response = patient.post(f"{sandbox.url}{path}/batch", json=body, headers=BEARER).json()
    assert response["items"]
    assert list(find_mismatches(response, schema["application/json"]["schema"], contract)) == []


@pytest.mark.parametrize(("path", "row"), [("/v1/prices", "MarketItem"), ("/v1/bids", "BuyOrderItem")])
def test_stream_matches_its_schema(sandbox: Sandbox, contract: Schema, path: str, row: str) -> None:
    response = patient.post(sandbox.url + path, headers=BEARER)
    schema = contract["components"]["schemas"][row]
    rows = [json.loads(line) for line in response.text.splitlines()]
    assert [mismatch for each in rows for mismatch in find_mismatches(each, schema, contract)] == []
    assert set(rows[0]) <= set(schema["properties"])
    documented = contract["paths"][path]["post"]["responses"]["200"]["headers"]
    assert {name for name in documented if name not in response.headers} <= {
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
    }


@pytest.mark.parametrize("path", ["/v1/prices", "/v1/bids"])
def test_stream_errors_are_the_examples_of_the_contract(
    make_sandbox: MakeSandbox, contract: Schema, path: str
) -> None:
    sandbox = make_sandbox(tier="starter", limits=True)
    responses = contract["paths"][path]["post"]["responses"]

    def example(status: int) -> Any:
        return responses[str(status)]["content"]["application/json"]["example"]

    def refused(status: int) -> Any:
        response = patient.post(sandbox.url + path, headers=BEARER)
        assert response.status_code == status
        return response

    assert refused(403).json() == example(403)
    sandbox.key(VALID_KEY, tier="quant").streaming.add(path)
    assert refused(409).json() == example(409)
    sandbox.key(VALID_KEY).streaming.clear()
    sandbox.key(VALID_KEY).set_streams_left(0, sandbox.clock.now())
    refusal = refused(429)
    assert refusal.json() == example(429)
    assert all(name in refusal.headers for name in responses["429"]["headers"])


def test_account_matches_its_schema(sandbox: Sandbox, http_get: HttpGet, contract: Schema) -> None:
    schema = contract["components"]["schemas"]["APIKeyInfo"]
    key = http_get(sandbox, "/v1/account/key").json()["key"]
    assert list(find_mismatches(key, schema, contract)) == []
    assert set(key) <= set(schema["properties"])


@pytest.mark.parametrize(
    ("query", "example"),
    [({"limit": 5000}, "limitTooHigh"), ({"providers": "not-a-provider"}, "invalidProviderEnum")],
)
def test_422_is_the_example_of_the_contract(
    sandbox: Sandbox, http_get: HttpGet, contract: Schema, query: dict[str, Any], example: str
) -> None:
    examples = contract["paths"]["/v1/prices"]["get"]["responses"]["422"]["content"]["application/json"][
        "examples"
    ]
    body, expected = http_get(sandbox, **query).json(), examples[example]["value"]
    if example == "invalidProviderEnum":
        body["detail"][0].pop("ctx")
        expected["detail"][0].pop("ctx")
    assert body == expected


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
def test_series_400_is_the_example_of_the_contract(
    sandbox: Sandbox, http_get: HttpGet, contract: Schema, path: str, query: dict[str, Any], example: str
) -> None:
    responses = contract["paths"][path]["get"]["responses"]["400"]["content"]["application/json"]["examples"]
    body = http_get(sandbox, path, item_id=3, **query)
    assert (body.status_code, body.json()) == (400, responses[example]["value"])
