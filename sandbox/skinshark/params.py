"""The parameters of SkinShark's requests."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from sandbox.http_types import ApiRequest
from sandbox.skinshark.errors import wrong_field


def parse_int(request: ApiRequest, name: str, default: int) -> int:
    """Return a parameter that is an integer. Raises ApiError."""
    text = request.one(name)
    try:
        return default if text is None else int(text)
    except ValueError:
        raise wrong_field([name], "expected an integer") from None


def parse_share(request: ApiRequest, name: str) -> Decimal | None:
    """Return a parameter that is a number from 0 to 1, or None. Raises ApiError."""
    text = request.one(name)
    try:
        number = None if text is None else Decimal(text)
    except InvalidOperation:
        raise wrong_field([name], "expected a number") from None
    if number is not None and not 0 <= number <= 1:
        raise wrong_field([name], "out of range")
    return number


def parse_choice(request: ApiRequest, name: str, choices: Sequence[str]) -> str | None:
    """Return a parameter that is one of these words, or None. Raises ApiError."""
    word = request.one(name)
    if word is not None and word not in choices:
        raise wrong_field([name], f"expected one of {', '.join(choices)}")
    return word
