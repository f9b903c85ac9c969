"""Parsers of query parameters and bodies; each raises the ApiError that the contract documents."""

import json
from collections.abc import Container, Sequence

from sandbox.clock import micros, parse_iso
from sandbox.http_types import ApiError, ApiRequest, Json
from sandbox.market.item_names import PHASES
from sandbox.market.providers import INDEX, KEYS
from sandbox.market.sides import BookSide

Fields = dict[str, Json]
_FLAGS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def validation_error(
    kind: str, location: list[Json], message: str, *, value: Json, context: Fields | None = None
) -> ApiError:
    """Return the 422 of a wrong value at a location of the request."""
    error: Fields = {"type": kind, "loc": location, "msg": message, "input": value}
    return ApiError(422, "VALIDATION_ERROR", [{**error, **({"ctx": context} if context else {})}])


def parse_body(request: ApiRequest) -> Fields:
    """Return the object in a body."""
    try:
        body = json.loads(request.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise validation_error("dict_type", ["body"], "Input should be a valid dictionary", value=None)
    return body


def parse_providers(request: ApiRequest, side: BookSide) -> tuple[int, ...]:
    """Return the positions of the requested providers, ascending; by default all of the side."""
    return provider_positions(request.all("providers"), side, "query")


def provider_positions(providers: Sequence[Json], side: BookSide, part: str) -> tuple[int, ...]:
    """Return the positions of providers, ascending; all of the side where there are none.

    An unknown provider is a 422, one without this side a 400; `part` is their part of the request.
    """
    positions = known_positions(providers, part)
    if missing := sorted(positions - set(side.providers)):
        names = ", ".join(KEYS[position] for position in missing)
        raise ApiError(400, None, f"Providers do not support buy orders: {names}")
    return tuple(sorted(positions)) or side.providers


def known_positions(providers: Sequence[Json], part: str) -> set[int]:
    """Return the positions of providers; an unknown provider is a 422."""
    return {_position(key, [part, "providers", number]) for number, key in enumerate(providers)}


def parse_item(request: ApiRequest) -> tuple[int | None, str | None, str | None]:
    """Return id, name and phase of the item of a series. Without id and name: 400."""
    item_id, name = parse_int(request, "item_id"), request.one("market_hash_name")
    if item_id is None and name is None:
        raise ApiError(400, None, "item_id or market_hash_name required")
    return item_id, name, parse_phase(request)


def parse_provider(request: ApiRequest) -> int | None:
    """Return the position of the requested provider, if any."""
    key = request.one("provider")
    return None if key is None else _position(key, ["query", "provider"])


def parse_timestamp(request: ApiRequest, name: str) -> int | None:
    """Return a time in microseconds, or None where the parameter is absent."""
    text = request.one(name)
    try:
        return None if text is None else micros(parse_iso(text))
    except (ValueError, OverflowError):
        raise ApiError(400, None, f"{name} must be a valid ISO 8601 timestamp") from None


def parse_currency(request: ApiRequest, known: Container[str]) -> str:
    """Return the requested currency, US dollars by default."""
    code = request.one("currency")
    return "USD" if code is None else check_currency(code, known, "query")


def check_currency(code: str, known: Container[str], part: str) -> str:
    """Return a currency that the API knows; `part` is its part of the request."""
    if code not in known:
        message = f"Unsupported currency: {code}"
        raise validation_error("value_error", [part, "currency"], message, value=code)
    return code


def parse_phase(request: ApiRequest) -> str | None:
    """Return the requested phase, if any."""
    phase = request.one("phase")
    if phase is not None and phase not in PHASES:
        raise _enum_error(["query", "phase"], "Input should be {expected}", value=phase, known=PHASES)
    return phase


def parse_int(
    request: ApiRequest, name: str, *, least: int | None = None, most: int | None = None
) -> int | None:
    """Return an integer within its bounds, or None where the parameter is absent."""
    text = request.one(name)
    if text is None:
        return None
    location: list[Json] = ["query", name]
    value = check_int(text, location)
    if least is not None and value < least:
        message = f"Input should be greater than or equal to {least}"
        raise validation_error("greater_than_equal", location, message, value=value, context={"ge": least})
    if most is not None and value > most:
        message = f"Input should be less than or equal to {most}"
        raise validation_error("less_than_equal", location, message, value=value, context={"le": most})
    return value


def check_int(text: str, location: list[Json]) -> int:
    """Return the integer at a location of the request."""
    if not text.removeprefix("-").isdecimal():
        raise validation_error("int_parsing", location, "Input should be a valid integer", value=text)
    return int(text)


def parse_float(request: ApiRequest, name: str, *, least: float, most: float) -> float | None:
    """Return a number within its bounds, or None where the parameter is absent."""
    text = request.one(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        message = "Input should be a valid number, unable to parse string as a number"
        raise validation_error("float_parsing", ["query", name], message, value=text) from None
    if not least <= value <= most:
        message = f"Input should be between {least} and {most}"
        raise validation_error("value_error", ["query", name], message, value=text)
    return value


def parse_bool(request: ApiRequest, name: str) -> bool:
    """Return a flag, false by default."""
    text = (request.one(name) or "false").lower()
    if text not in _FLAGS:
        message = "Input should be a valid boolean, unable to interpret input"
        raise validation_error("bool_parsing", ["query", name], message, value=text)
    return _FLAGS[text]


def parse_flag(request: ApiRequest, name: str) -> bool | None:
    """Return a flag, or None where the parameter is absent."""
    return None if request.one(name) is None else parse_bool(request, name)


def _position(key: Json, location: list[Json]) -> int:
    if key not in INDEX:
        message = "Input should be one of the allowed provider keys"
        raise _enum_error(location, message, value=key, known=KEYS)
    return INDEX[str(key)]


def _enum_error(location: list[Json], message: str, *, value: Json, known: Sequence[str]) -> ApiError:
    expected = ", ".join(repr(each) for each in known)
    text = message.format(expected=expected)
    return validation_error("enum", location, text, value=value, context={"expected": expected})
