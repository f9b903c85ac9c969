"""Send the requests that a contract allows or forbids to a server, and print what contradicts the contract.

A script: reads the contract's path, the server's `url`, the `paths` of the contract to request and the
`headers` of every request as JSON, and prints a JSON list of failures, a line of text each. Imports nothing
of ours: hypothesis also draws from the constants of such modules, and would make other requests.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.generation.case import Case

OPTIONS = settings(
    max_examples=30,  # of each route and mode: half a minute for both contracts
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def main() -> None:
    """Print the failures of the contract and the server on standard input."""
    order = json.load(sys.stdin)
    found: list[str] = []

    def send(case: Case[Any]) -> None:
        found.extend(_failures_of(case, order["url"], order["headers"]))

    results: Iterator[Any] = schemathesis.openapi.from_path(order["contract"]).get_all_operations()
    for operation in (result.ok() for result in results):
        for mode in schemathesis.GenerationMode if operation.path in order["paths"] else ():
            decorate: Any = given(operation.as_strategy(generation_mode=mode))
            OPTIONS(decorate(send))()
    json.dump(found, sys.stdout)


def _failures_of(case: Case[Any], url: str, headers: dict[str, str]) -> Iterator[str]:
    response = case.call(base_url=url, headers=headers)
    try:
        case.validate_response(response)
    except FailureGroup as failures:
        for failure in failures.exceptions:
            yield _describe(case, failure, response)


def _describe(case: Case[Any], failure: Failure, response: Any) -> str:
    place = "/".join(map(str, getattr(failure, "instance_path", ())))
    message = " ".join(failure.message.split())
    kind, request = type(failure).__name__, case.as_curl_command()
    return f"{case.operation.label} {kind} {response.status_code} {place} {message} {response.text} {request}"


if __name__ == "__main__":
    main()
