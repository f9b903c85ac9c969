"""The SkinShark sandbox against the contract file, where that exists next to the repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft202012Validator

from sandbox.core import Sandbox
from sandbox.skinshark.errors import ERRORS
from sandbox.skinshark.merchant import FIRST_KEY, SUB_USER
from tests.support.contract_contradictions import SKINSHARK, parts
from tests.support.sandboxes import MakeSandbox

FILE = Path(__file__).parents[4] / "shared" / "api" / "skinshark-openapi.yaml"
Contract = dict[str, Any]
PATHS = ("/market/prices", "/merchant", "/merchant/fees", "/user")
KEY = {"api-key": FIRST_KEY}
pytestmark = pytest.mark.skipif(not FILE.exists(), reason="the contract file is missing")


@pytest.fixture(scope="module")
def contract() -> Contract:
    loaded: Contract = yaml.load(FILE.read_text("utf-8"), yaml.CSafeLoader)
    return loaded


def get(sandbox: Sandbox, path: str, **headers: str) -> httpx.Response:
    query = {"limit": "-1"} if path == "/market/prices" else {}
    return httpx.get(sandbox.url + path, params=query, headers={**KEY, **headers})


def mismatches(body: Any, schema: Contract, contract: Contract) -> set[str]:
    """Return the paths of the fields of `data` that do not match, without positions and names of phases."""
    validator = Draft202012Validator({**schema, "components": contract["components"]})
    paths = set()
    for error in validator.iter_errors(body):
        names = [part for part in error.absolute_path if isinstance(part, str) and part != "data"]
        missing = [error.message.split("'")[1]] if error.validator == "required" else []
        paths.add(".".join([*names[:2], *missing]))
    return paths


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
    assert found == {"items.itemId", "items.phases", "items.standard"}


@pytest.mark.parametrize("path", PATHS)
def test_response_of_the_old_shape_matches_its_schema(
    sandbox: Sandbox, contract: Contract, path: str
) -> None:
    body = get(sandbox, path).json()
    assert mismatches(body, schema_of(contract, path), contract) == set()
    if path == "/market/prices":
        assert [row for row in body["data"]["items"] if "phases" in row]


@pytest.mark.parametrize("path", PATHS)
def test_response_of_the_new_shape_differs_where_the_contract_is_contradicted(
    make_sandbox: MakeSandbox, contract: Contract, path: str
) -> None:
    body = get(make_sandbox(phases="new"), path).json()
    found = mismatches(body, schema_of(contract, path), contract)
    known = parts(SKINSHARK, f"GET {path}")
    assert found == {part for part in known if not part.startswith(("response", "parameter", "other"))}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("key", ERRORS)
def test_every_error_has_the_envelope_and_a_known_status(
    sandbox: Sandbox, contract: Contract, path: str, key: str
) -> None:
    sandbox.skinshark.fault(key, path=path)
    response = get(sandbox, path)
    documented = contract["paths"][path]["get"]["responses"]
    known = parts(SKINSHARK, f"GET {path}")
    assert str(response.status_code) in documented or f"response {response.status_code}" in known
    assert mismatches(response.json(), schema_of(contract, path, "401"), contract) == set()


def test_sub_user_reads_its_own_profile(sandbox: Sandbox, contract: Contract) -> None:
    body = get(sandbox, "/user", **{"On-Behalf-Of": SUB_USER[0]}).json()
    assert mismatches(body, schema_of(contract, "/user"), contract) == set()
    assert body["data"]["id"] == SUB_USER[1]


def test_codes_are_those_that_the_contract_names(contract: Contract) -> None:
    texts = str(contract)
    for key in ("LISTING_NOT_FOUND", "MARKET_UNAVAILABLE", "PRICING_UNAVAILABLE"):
        assert f"`{key}` ({ERRORS[key][0]})" in texts
