"""What the JSON body of a request may say: its fields, or the 422 that the contract documents."""

import json

from sandbox.answers import Json, Refusal, Request

Fields = dict[str, Json]


def fields(request: Request) -> Fields:
    """Return the object that a body holds."""
    try:
        found = json.loads(request.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise wrong("dict_type", [], "Input should be a valid dictionary", None)
    return found


def wrong(kind: str, place: list[Json], message: str, value: Json) -> Refusal:
    """Return the refusal of what stands at a place of the body."""
    detail: Json = [{"type": kind, "loc": ["body", *place], "msg": message, "input": value}]
    return Refusal(422, "VALIDATION_ERROR", detail)
