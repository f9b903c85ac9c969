"""Decode JSON responses, and their rows one by one: rows that fit, rejects, counts of unknown fields."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from common.errors import UnexpectedResponse
from common.text import sanitize
from connectors.pages import Reject

_T = TypeVar("_T")
_R = TypeVar("_R", bound=Struct)
# msgspec raises RecursionError where values nest too deep.
DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])


def decode_response(decoder: msgspec.json.Decoder[_T], body: bytes, *, route: str, source: str) -> _T:
    """Decode a response of `route`; raises UnexpectedResponse where it does not fit the contract."""
    try:
        return decoder.decode(body)
    except DECODE_ERRORS as error:
        raise UnexpectedResponse(f"{route}: {sanitize(str(error))}", source) from None


@dataclass(frozen=True, slots=True, eq=False)
class DecodedRows(Generic[_R]):
    """The rows that fit, the rejects, and how many rows carry each field that the contract does not know."""

    fitting: list[_R]
    rejects: tuple[Reject, ...]
    unknown_fields: dict[str, int]


class RowDecoder(Generic[_R]):
    """Decodes rows of one type."""

    def __init__(self, row: type[_R]) -> None:
        self._decoder = msgspec.json.Decoder(row)
        self._known = frozenset(row.__struct_encode_fields__)

    def decode(self, raw: bytes | Raw) -> _R:
        """Return one row; raises one of `DECODE_ERRORS` where it does not fit."""
        return self._decoder.decode(raw)

    def decode_all(
        self, raws: Iterable[bytes | Raw], find_mismatch: Callable[[_R], str | None] | None = None
    ) -> DecodedRows[_R]:
        """Decode `raws`; `find_mismatch` returns why a decoded row is to be rejected, or None."""
        fitting: list[_R] = []
        rejects: list[Reject] = []
        unknown: Counter[str] = Counter()
        for raw in raws:
            try:
                row = self._decoder.decode(raw)
                if names := _FIELDS.decode(raw).keys() - self._known:
                    unknown.update(sanitize(name, 100) for name in names)
                reason = find_mismatch(row) if find_mismatch else None
            except DECODE_ERRORS as error:
                reason = str(error)
            if reason is None:
                fitting.append(row)
            else:
                rejects.append(Reject(sanitize(reason), bytes(raw).decode(errors="replace")))
        return DecodedRows(fitting, tuple(rejects), dict(unknown))
