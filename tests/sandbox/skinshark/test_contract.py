"""The SkinShark sandbox against the contract file, where that exists next to the repository."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator

from sandbox.core import Sandbox
from sandbox.skinshark.errors import ERRORS
from sandbox.skinshark.listing import FIRST_ID
from sandbox.skinshark.merchant import SUB_USER
from tests.support import patient
from tests.support.contracts import APIS, FOLDER, explain
from tests.support.sandboxes import MakeSandbox

FILE = FOLDER / APIS["skinshark"].file
Contract = dict[str, Any]
LISTINGS = "/market/items/{itemId}/listings"
PATHS = ("/market/prices", "/merchant", "/merchant/fees", "/user", "/market/sell/prices", LISTINGS)
ITEM = FIRST_ID + 1
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the contract file is missing")


@pytest.fixture(scope="module")
def contract() -> Contract:
    loaded: Contract = yaml.load(FILE.read_text("utf-8"), yaml.CSafeLoader)
    return loaded


def get(sandbox: Sandbox, path: str, **headers: str) -> httpx.Response:
    query = {"limit": "-1"} if path == "/market/prices" else {}
    every = {**APIS["skinshark"].headers, **headers}
    return patient.get(sandbox.url + path.format(itemId=ITEM), params=query, headers=every)


def mismatches(body: Any, schema: Contract, contract: Contract) -> list[str]:
    """Return the place and the message of each mismatch of a body with its schema."""
    validator = Draft202012Validator({**schema, "components": contract["components"]})
    found = validator.iter_errors(body)
    return [f"{'/'.join(map(str, each.absolute_path))} {each.message}" for each in found]


def schema_of(contract: Contract, path: str, status: str = "200") -> Contract:
    response = contract["paths"][path]["get"]["responses"][status]
    if "$ref" in response:
        response = contract["components"]["responses"][response["$ref"].rsplit("/", 1)[-1]]
    schema: Contract = response["content"]["application/json"]["schema"]
    return schema


def test_mismatches_are_found(contract: Contract) -> None:
    row = {"itemId": 7, "marketHashName": "AWP", "instant": None, "phases": {"Ruby": "much"}}
    data = {"items": [row], "total": 1, "page": 1, "limit": -1, "totalPages": 1}
    body = {"requestId": "req-1", "success": True, "data": data}
    found = mismatches(body, schema_of(contract, "/market/prices"), contract)
    places = [each.partition(" ")[0] for each in found]
    assert sorted(places) == ["data/items/0", "data/items/0/itemId", "data/items/0/phases/Ruby"]


@pytest.mark.parametrize("path", PATHS)
def test_response_of_the_old_shape_matches_its_schema(
    sandbox: Sandbox, contract: Contract, path: str
) -> None:
    body = get(sandbox, path).json()
    assert mismatches(body, schema_of(contract, path), contract) == []
    if path == "/market/prices":
        assert [row for row in body["data"]["items"] if "phases" in row]


@pytest.mark.parametrize("path", PATHS)
def test_response_of_the_new_shape_differs_where_the_contract_is_contradicted(
    make_sandbox: MakeSandbox, contract: Contract, path: str
) -> None:
    body = get(make_sandbox(phases="new"), path).json()
    found = mismatches(body, schema_of(contract, path), contract)
    assert [
        each for each in found if not explain("skinshark", f"GET {path} JsonSchemaError 200 {each}")
    ] == []
    assert bool(found) == (path in {"/market/prices", "/merchant", "/merchant/fees"})


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", ERRORS)
def test_every_error_has_the_envelope_and_a_known_status(
    sandbox: Sandbox, contract: Contract, path: str, key: str
) -> None:
    sandbox.skinshark.fault(key, path=path.format(itemId=ITEM))
    response = get(sandbox, path)
    status = str(response.status_code)
    assert status in contract["paths"][path]["get"]["responses"] or explain(
        "skinshark", f"GET {path} UndefinedStatusCode {status}"
    )
    assert mismatches(response.json(), schema_of(contract, path, "401"), contract) == []


def test_sub_user_reads_its_own_profile(sandbox: Sandbox, contract: Contract) -> None:
    body = get(sandbox, "/user", **{"On-Behalf-Of": SUB_USER[0]}).json()
    assert mismatches(body, schema_of(contract, "/user"), contract) == []
    assert body["data"]["id"] == SUB_USER[1]


def test_codes_are_those_that_the_contract_names(contract: Contract) -> None:
    texts = str(contract)
    for key in ("LISTING_NOT_FOUND", "MARKET_UNAVAILABLE", "PRICING_UNAVAILABLE"):
        assert f"`{key}` ({ERRORS[key][0]})" in texts
