"""The types of the configuration's values: durations, names, lists, currencies, and where a key is."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pytimeparse.timeparse import timeparse

from common.errors import ConfigError
from common.files import expand_home
from common.numbers import LONGEST
from connectors.http.environment import check_base_url
from pipelines.config.secrets import has_form_of_key

_T = TypeVar("_T")
DURATION_HINT: Final = 'write a number with a unit, such as "90s", "10 min", "1h" or "1w"'
MAX_DURATION_TEXT: Final = 40  # characters
SHORTEST_INTERVAL: Final = timedelta(seconds=10)
SHORTEST_RETENTION: Final = timedelta(days=31)
SHORTEST_DEADLINE: Final = timedelta(seconds=1)
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?|.*\.", re.IGNORECASE)  # by Windows
VARIABLE: Final = re.compile(r"[A-Za-z_]\w*", re.ASCII)
SUB_USER: Final = re.compile(r"[\x21-\x7e]{1,128}")  # what a header can carry
CURRENCY: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{2,4}")
RECEIVER: Final = re.compile(r"[A-Za-z][\w+.-]*:.+", re.DOTALL)
# What people write for a currency, and no API knows.
CURRENCY_NAMES: Final = {
    "$": "USD",
    "US$": "USD",
    "DOLLAR": "USD",
    "DOLLARS": "USD",
    "€": "EUR",
    "EURO": "EUR",
    "EUROS": "EUR",
    "£": "GBP",
    "POUND": "GBP",
    "YUAN": "CNY",
    "RMB": "CNY",
    "¥": "CNY or JPY",
    "YEN": "JPY",
    "RUBLE": "RUB",
    "ZLOTY": "PLN",
}


class Table(BaseModel):
    """A table of the configuration, which has no other keys than its fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def parse_duration(value: object) -> timedelta:
    """Return the length of "90s", "10 min", "1.5 hours" or "1w 2d". Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):  # pydantic takes no TypeError
        raise ValueError(f"must be a duration in quotation marks: {DURATION_HINT}")  # noqa: TRY004
    text = value.strip()
    # "10:30" may be a time of day, or minutes; digits that are not ASCII are numbers for pytimeparse.
    is_plain = text.isascii() and ":" not in text and len(text) <= MAX_DURATION_TEXT
    seconds = timeparse(text) if is_plain else None
    if seconds is None:
        raise ValueError(f"is no duration: {DURATION_HINT}")
    longest = LONGEST.total_seconds()
    return timedelta(seconds=seconds) if abs(seconds) <= longest else LONGEST + timedelta(days=1)


def _at_least(shortest: timedelta, text: str) -> Callable[[timedelta], timedelta]:
    def check(length: timedelta) -> timedelta:
        if length < timedelta():
            raise ValueError(f"must not be negative: {DURATION_HINT}")
        if not shortest <= length <= LONGEST:
            raise ValueError(f"must be from {text} to {LONGEST.days}d (100 years)")
        return length

    return check


_PARSE: Final = BeforeValidator(parse_duration)
_SCHEMA: Final = WithJsonSchema({"type": "string", "examples": ["90s", "10m", "1h", "7d"]})
Duration = Annotated[timedelta, _PARSE, AfterValidator(_at_least(timedelta(), "0s")), _SCHEMA]
Deadline = Annotated[timedelta, _PARSE, AfterValidator(_at_least(SHORTEST_DEADLINE, "1s")), _SCHEMA]
Retention = Annotated[timedelta, _PARSE, AfterValidator(_at_least(SHORTEST_RETENTION, "31d")), _SCHEMA]
Interval = Annotated[timedelta, _PARSE, AfterValidator(_at_least(SHORTEST_INTERVAL, "10s")), _SCHEMA]


def _check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(
            "must be a name of at most 64 letters, digits, dots, hyphens and underscores, with a letter or a"
            " digit first"
        )
    if RESERVED.fullmatch(name):
        raise ValueError("is a name that some file systems reserve: choose another")
    return name


# Some names are names of folders.
Name = Annotated[str, AfterValidator(_check_name)]


def _check_key_place(place: str) -> str:
    kind, _, where = place.partition(":")
    is_place = VARIABLE.fullmatch(where) if kind == "env" else kind in {"file", "block"} and where.strip()
    if not is_place or has_form_of_key(where):
        raise ValueError(
            "must say where the key is, as env:VARIABLE, file:PATH or block:NAME; never write the key itself"
        )
    return place


KeyPlace = Annotated[str, AfterValidator(_check_key_place)]


def _check_sub_user(name: str) -> str:
    if not SUB_USER.fullmatch(name):
        raise ValueError("must be an id or externalId of 1 to 128 ASCII characters without a space")
    return name


SubUser = Annotated[str, AfterValidator(_check_sub_user)]


def _check_address(address: str) -> str:
    try:
        plain = check_base_url(address, "")
    except ConfigError as error:
        raise ValueError(error.detail.removeprefix("base_url ")) from None
    if plain.endswith("/v1"):
        raise ValueError("ends with /v1, which every request has already: leave it out")
    return address


Address = Annotated[str, AfterValidator(_check_address)]


def _read_folder(text: object) -> object:
    """Return the path in a text, with its home folder."""
    if not isinstance(text, str):
        return text
    if not text.strip() or "\0" in text:  # an empty path would be this folder
        raise ValueError('must be the path of a folder: write path = "data"')
    try:
        return expand_home(text)
    except ConfigError:
        raise ValueError("begins with ~, and no home folder is known: write the whole path") from None


Folder = Annotated[Path, BeforeValidator(_read_folder)]


def in_lower_case(value: object) -> object:
    """Return a text in lower case, without blanks around it: one of a few words in any case."""
    return value.strip().lower() if isinstance(value, str) else value


AnyCase = BeforeValidator(in_lower_case)


def _check_provider(provider: str) -> str:
    if not provider.strip():
        raise ValueError("is empty: write the key or the name of a marketplace")
    if "," in provider:
        raise ValueError('has a comma: write several marketplaces as a list, as in ["steam", "buff163"]')
    return _with_all(provider)


def _with_all(selector: str) -> str:
    return "all" if selector.strip().lower() == "all" else selector


Provider = Annotated[str, AfterValidator(_check_provider)]


def _check_item(item: object) -> object:
    is_id = isinstance(item, int) and not isinstance(item, bool) and item > 0
    if not is_id and not (isinstance(item, str) and item):
        raise ValueError("must be the name of an item in quotation marks, or its id")
    return _with_all(item) if isinstance(item, str) else item


Item = Annotated[str | int, BeforeValidator(_check_item)]


def _check_currency(code: str) -> str:
    plain = code.strip()
    if meant := CURRENCY_NAMES.get(plain.upper()):
        raise ValueError(f"is no currency code; did you mean {meant}?")
    if "," in plain:
        raise ValueError('has a comma: write several currencies as a list, as in ["USD", "EUR"]')
    if not CURRENCY.fullmatch(plain):
        raise ValueError('is no currency code: a code has three letters or a few more, such as "EUR"')
    return plain


Currency = Annotated[str, AfterValidator(_check_currency)]


def _check_receiver(receiver: str) -> str:
    if not RECEIVER.fullmatch(receiver):
        raise ValueError("must be an address of Apprise, env:VARIABLE or block:TYPE/NAME")
    return receiver


Receiver = Annotated[str, AfterValidator(_check_receiver)]


def _as_list(value: object) -> object:
    return (value,) if isinstance(value, str | int) and not isinstance(value, bool) else value


# A list, or its only entry.
Many = Annotated[tuple[_T, ...], BeforeValidator(_as_list)]
