"""What a query string may say: each reader gives the value or raises the 422 that the contract documents."""

from collections.abc import Container

from sandbox.answers import Json, Refusal, Request
from sandbox.names import PHASES
from sandbox.providers import INDEX, KEYS

EVERY = tuple(range(len(KEYS)))


def providers(request: Request) -> tuple[int, ...]:
    """Return positions of the providers asked for, ascending; all of them where none is named."""
    asked = request.all("providers")
    for position, key in enumerate(asked):
        if key not in INDEX:
            message = "Input should be one of the allowed provider keys"
            expected = ", ".join(repr(known) for known in KEYS)
            raise _invalid("enum", ["query", "providers", position], message, key, {"expected": expected})
    return tuple(sorted({INDEX[key] for key in asked})) or EVERY


def currency(request: Request, known: Container[str]) -> str:
    """Return the currency asked for, US dollars by default."""
    code = request.one("currency")
    if code is not None and code not in known:
        raise _invalid("value_error", ["query", "currency"], f"Unsupported currency: {code}", code)
    return code or "USD"


def phase(request: Request) -> str | None:
    """Return the phase asked for, if any."""
    asked = request.one("phase")
    if asked is not None and asked not in PHASES:
        expected = ", ".join(repr(known) for known in PHASES)
        raise _invalid(
            "enum", ["query", "phase"], f"Input should be {expected}", asked, {"expected": expected}
        )
    return asked


def whole(request: Request, name: str, *, least: int | None = None, most: int | None = None) -> int | None:
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


def _invalid(
    kind: str, place: list[Json], message: str, value: Json, context: dict[str, Json] | None = None
) -> Refusal:
    error: dict[str, Json] = {"type": kind, "loc": place, "msg": message, "input": value}
    return Refusal(422, "VALIDATION_ERROR", [{**error, **({"ctx": context} if context else {})}])
