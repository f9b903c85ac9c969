"""Read what commands print with `--json`, and check it against its schema."""

from __future__ import annotations

import functools
import json
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from floorline.cli.outputs.registry import json_schema

Json = dict[str, Any]


def read_envelope(text: str | bytes) -> Json:
    """Return the one JSON document of a command, which its schema describes."""
    envelope: Json = json.loads(text)
    _validator(envelope["command"]).validate(envelope)
    assert (envelope["result"] is None) != (envelope["error"] is None)
    return envelope


def read_result(text: str | bytes) -> Any:
    """Return the result in the one JSON document of a command, which its schema describes."""
    return read_envelope(text)["result"]


def read_failure(text: str | bytes) -> Json:
    """Return the error in the one JSON document of a command, which its schema describes."""
    failure: Json = read_envelope(text)["error"]
    return failure


@functools.cache
def _validator(command: str) -> Draft202012Validator:
    schema = json_schema(command)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(_forbid_others(schema), format_checker=FormatChecker())


def _forbid_others(schema: Any) -> Any:
    """Return a schema that allows the described properties only; the published one allows more to come."""
    if isinstance(schema, list):
        return [_forbid_others(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {name: _forbid_others(part) for name, part in schema.items()}
    return {**parts, "additionalProperties": False} if "properties" in schema else parts
