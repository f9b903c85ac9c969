"""What a query string may say: each reader gives the value or raises the 422 that the contract documents."""

import json
from collections.abc import Container, Sequence

from sandbox.clock import micros, parse_iso
from sandbox.http_types import ApiError, ApiRequest, Json
from sandbox.market.item_names import PHASES
from sandbox.market.providers import INDEX, KEYS
from sandbox.market.sides import BookSide

Fields = dict[str, Json]


def parse_body(request: ApiRequest) -> Fields:
    """Return the object that a body holds."""
    try:
        found = json.loads(request.body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise validation_error("dict_type", [], "Input should be a valid dictionary", None)
    return found


def validation_error(kind: str, place: list[Json], message: str, value: Json) -> ApiError:
    """Return the refusal of what stands at a place of the body."""
    detail: Json = [{"type": kind, "loc": ["body", *place], "msg": message, "input": value}]
    return ApiError(422, "VALIDATION_ERROR", detail)


def parse_providers(request: ApiRequest, side: BookSide) -> tuple[int, ...]:
    """Return positions of the providers asked for, ascending; all of the side where none is named."""
    return provider_positions(request.all("providers"), side, "query")


def provider_positions(asked: Sequence[Json], side: BookSide, part: str) -> tuple[int, ...]:
    """Return positions of these providers, ascending, all of the side's where there are none.

    An unknown one is a 422, one that is not on this side a 400; `part` of the request says where they stood.
    """
    found = known_positions(asked, part)
    if lacking := sorted(found - set(side.providers)):
        names = ", ".join(KEYS[position] for position in lacking)
        raise ApiError(400, None, f"Providers do not support buy orders: {names}")
    return tuple(sorted(found)) or side.providers


def known_positions(asked: Sequence[Json], part: str) -> set[int]:
    """Return positions of these providers; an unknown one is a 422."""
    return {_position(key, [part, "providers", place]) for place, key in enumerate(asked)}


def parse_item(request: ApiRequest) -> tuple[int | None, str | None, str | None]:
    """Return id, name and phase of the one item that a series is asked of. Without id and name: 400."""
    item_id, name = parse_int(request, "item_id"), request.one("market_hash_name")
    if item_id is None and name is None:
        raise ApiError(400, None, "item_id or market_hash_name required")
    return item_id, name, parse_phase(request)


def parse_provider(request: ApiRequest) -> int | None:
    """Return the position of the one provider asked for, if any."""
    key = request.one("provider")
    return None if key is None else _position(key, ["query", "provider"])


def parse_timestamp(request: ApiRequest, name: str) -> int | None:
    """Return a moment in microseconds, or None where it was not given."""
    text = request.one(name)
    try:
        return None if text is None else micros(parse_iso(text))
    except (ValueError, OverflowError):
        raise ApiError(400, None, f"{name} must be a valid ISO 8601 timestamp") from None


def parse_currency(request: ApiRequest, known: Container[str]) -> str:
    """Return the currency asked for, US dollars by default."""
    code = request.one("currency")
    return "USD" if code is None else check_currency(code, known, "query")


def check_currency(code: str, known: Container[str], part: str) -> str:
    """Return a currency that the API converts to."""
    if code not in known:
        raise _invalid("value_error", [part, "currency"], f"Unsupported currency: {code}", code)
    return code


def parse_phase(request: ApiRequest) -> str | None:
    """Return the phase asked for, if any."""
    asked = request.one("phase")
    if asked is not None and asked not in PHASES:
        expected = ", ".join(repr(known) for known in PHASES)
        raise _invalid(
            "enum", ["query", "phase"], f"Input should be {expected}", asked, {"expected": expected}
        )
    return asked


def parse_int(
    request: ApiRequest, name: str, *, least: int | None = None, most: int | None = None
) -> int | None:
    """Return a whole number inside its bounds, or None where it was not given."""
    text = request.one(name)
    if text is None:
        return None
    place: list[Json] = ["query", name]
    if not text.removeprefix("-").isdecimal():
        raise _invalid("int_parsing", place, "Input should be a valid integer", text)
    value = int(text)
    if least is not None and value < least:
        message = f"Input should be greater than or equal to {least}"
        raise _invalid("greater_than_equal", place, message, value, {"ge": least})
    if most is not None and value > most:
        message = f"Input should be less than or equal to {most}"
        raise _invalid("less_than_equal", place, message, value, {"le": most})
    return value


def parse_float(request: ApiRequest, name: str, *, least: float, most: float) -> float | None:
    """Return a number inside its bounds, or None where it was not given."""
    text = request.one(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        message = "Input should be a valid number, unable to parse string as a number"
        raise _invalid("float_parsing", ["query", name], message, text) from None
    if not least <= value <= most:
        message = f"Input should be between {least} and {most}"
        raise _invalid("value_error", ["query", name], message, text)
    return value


def parse_bool(request: ApiRequest, name: str) -> bool:
    """Return a flag, false by default."""
    text = (request.one(name) or "false").lower()
    if text not in _FLAGS:
        message = "Input should be a valid boolean, unable to interpret input"
        raise _invalid("bool_parsing", ["query", name], message, text)
    return _FLAGS[text]


_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _position(key: Json, place: list[Json]) -> int:
    if key not in INDEX:
        message = "Input should be one of the allowed provider keys"
        expected = ", ".join(repr(known) for known in KEYS)
        raise _invalid("enum", place, message, key, {"expected": expected})
    return INDEX[str(key)]


def _invalid(
    kind: str, place: list[Json], message: str, value: Json, context: dict[str, Json] | None = None
) -> ApiError:
    error: dict[str, Json] = {"type": kind, "loc": place, "msg": message, "input": value}
    return ApiError(422, "VALIDATION_ERROR", [{**error, **({"ctx": context} if context else {})}])
