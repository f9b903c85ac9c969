"""The contracts of both APIs, and where they contradict the documents of the same APIs.

The contract files are beside the repository and not part of it; a test that needs them skips without them.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sandbox.cs2cap.keys import VALID_KEY
from sandbox.skinshark.merchant import FIRST_KEY

FOLDER: Final = Path(__file__).parents[3] / "shared" / "api"


@dataclass(frozen=True, slots=True)
class Api:
    """The contract of one API: its file, the header of a valid key, and the paths that the sandbox serves."""

    file: str
    headers: Mapping[str, str]
    paths: frozenset[str]


APIS: Final = {
    "cs2cap": Api(
        "cs2cap-openapi.json",
        {"Authorization": f"Bearer {VALID_KEY}"},
        frozenset(
            {
                "/v1/prices",
                "/v1/prices/batch",
                "/v1/prices/history",
                "/v1/prices/candles",
                "/v1/bids",
                "/v1/bids/batch",
                "/v1/sales",
                "/v1/market/history/chart",
                "/v1/market/items",
                "/v1/fx",
                "/v1/items",
                "/v1/providers",
                "/v1/account/sub-keys",
                "/v1/account/sub-keys/{key_id}",
                "/v1/account/sub-keys/{key_id}/reissue",
            }
        ),
    ),
    "skinshark": Api(
        "skinshark-openapi.yaml",
        {"api-key": FIRST_KEY},
        frozenset(
            {
                "/merchant",
                "/merchant/fees",
                "/user",
                "/market/prices",
                "/market/items/{itemId}/listings",
                "/market/sell/prices",
            }
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A difference between a contract and the API's documents, which the sandbox follows.

    `api` is empty where both contracts have the difference, each with its own documents.
    `failure` is a regular expression that matches the beginning of a failure as `find_failures` returns it:
    the route, the kind of failure, the status, the place in the body, the message, the body and the request.
    """

    api: str
    failure: str
    reason: str


CONTRADICTIONS: Final = (
    Contradiction(
        "cs2cap",
        r".* JsonSchemaError 422 detail/\d+/input",
        "a 422 repeats the wrong value as `input`, also in the examples; the schema has objects only",
    ),
    Contradiction(
        "cs2cap",
        r'.* JsonSchemaError (400|404) .*"code" is a required',
        "the examples of 400 and 404 have no `code`, which the schema requires",
    ),
    Contradiction(
        "cs2cap",
        r'.* RejectedPositiveData 422 .*"loc":\["(query|body)","currency"\]',
        "a currency is any text in the contract; the API knows those of `/v1/fx`",
    ),
    Contradiction(
        "cs2cap",
        r'GET .* RejectedPositiveData 422 .*"less_than_equal","loc":\["query","limit"\]',
        "the largest `limit` stands in the description only, because it depends on the tier",
    ),
    Contradiction(
        "cs2cap",
        r"GET /v1/(prices/history|prices/candles|sales|market/history/chart) RejectedPositiveData 400",
        "that an item is required, and which times and windows are right, stands in the description only",
    ),
    Contradiction(
        "cs2cap",
        r'POST /v1/\w+/batch RejectedPositiveData 422 .*"loc":\["body"',
        "that items are required and which providers exist stands in the description only",
    ),
    Contradiction(
        "cs2cap",
        r'(POST|PATCH) /v1/account/sub-keys\S* RejectedPositiveData 422 .*_override"\]',
        "the largest cap of a sub-key is the plan's, which the contract does not know",
    ),
    Contradiction(
        "cs2cap",
        r"\S+ /v1/(prices/candles|account/sub-keys\S*) UndefinedStatusCode (404|409)",
        "the contract has no response for an item or sub-key that does not exist, nor for a sub-key too many",
    ),
    Contradiction(
        "",
        r".* AcceptedNegativeData 2\d\d .*query: violates `additionalProperties`",
        "a parameter that no route knows is ignored; the contract does not forbid it",
    ),
    Contradiction(
        "skinshark",
        r"GET \S+ UndefinedStatusCode (400|404|422|429|5\d\d)",
        "the guides give every route one table of errors; the contract has a few of them for each route",
    ),
    Contradiction(
        "skinshark",
        r"GET /market/prices JsonSchemaError 200 data/items/\d+/phases",
        "newer documents have both prices of a phase, where the contract has one number",
    ),
    Contradiction(
        "skinshark",
        r"GET /merchant(/fees)? JsonSchemaError 200 .*merchantFeeBps",
        "newer documents have `buyFeeBps` and `sellFeeBps` in the place of `merchantFeeBps`",
    ),
    Contradiction(
        "skinshark",
        r"GET /market/prices RejectedPositiveData (400|422)",
        "the bounds of `page` and `limit` and the known markets stand in the description only",
    ),
    Contradiction(
        "cs2cap",
        r"GET /v1/items AcceptedNegativeData 200 .*violates `enum`",
        "a filter ignores case, which the enum does not, and a word that no item has selects nothing",
    ),
)


def find_failures(name: str, url: str) -> list[str]:
    """Send requests that a contract allows or forbids to a server; return what contradicts the contract.

    The requests are the same in every run.
    """
    api = APIS[name]
    script = Path(__file__).with_name("contract_requests.py")
    order = {"contract": str(FOLDER / api.file), "url": url, "paths": sorted(api.paths)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)],
        input=json.dumps({**order, "headers": dict(api.headers)}),
        capture_output=True,
        text=True,
        timeout=240,  # it takes half a minute
        check=False,
    )
    assert done.returncode == 0, done.stderr
    failures: list[str] = json.loads(done.stdout)
    return failures


def explain(name: str, failure: str) -> Contradiction | None:
    """Return the known contradiction that a failure shows, if any."""
    known = (each for each in CONTRADICTIONS if each.api in {"", name})
    return next((each for each in known if re.match(each.failure, failure, re.DOTALL)), None)
