"""Decode JSON responses, and their rows one by one: rows that fit, rejects, counts of unknown fields."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, Protocol, TypeVar

import msgspec
from msgspec import Raw, Struct

from common.errors import UnexpectedResponse
from common.field_counts import FieldCounts
from common.text import sanitize
from connectors.json_text import join_members, split_entries, split_members
from connectors.pages import Reject

_T = TypeVar("_T")
_T_co = TypeVar("_T_co", covariant=True)
_R = TypeVar("_R", bound=Struct)
# msgspec raises RecursionError where values nest too deep, ValueError for an integer of thousands of digits,
# and ArithmeticError for a decimal with an endless exponent.
DECODE_ERRORS: Final = (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError)
# What is kept of a response is parsed again, by other parsers and deeper in the stack. No row of either API
# nests deeper than ten.
MAX_NESTING: Final = 64
_STRING: Final = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_FIELDS: Final = msgspec.json.Decoder(dict[str, Raw])
# What stands for a field that is split off, while the rest of its page is decoded.
_PLACEHOLDERS: Final[dict[object, bytes]] = {list[Raw]: b"[]", Raw: b"null"}


class _Decoder(Protocol[_T_co]):
    def decode(self, text: bytes | Raw, /) -> _T_co: ...


def decode_response(decoder: msgspec.json.Decoder[_T], body: bytes, *, route: str, source: str) -> _T:
    """Decode a response of `route`; raises UnexpectedResponse where it does not fit the contract."""
    try:
        return decoder.decode(body)
    except DECODE_ERRORS as error:
        raise UnexpectedResponse(f"{route}: {explain(error)}", source) from None


def decode_or_none(decoder: _Decoder[_T_co], text: bytes | Raw) -> _T_co | None:
    """Decode a part that may be missing or of another type; None where it does not fit."""
    try:
        return decoder.decode(text)
    except DECODE_ERRORS:
        return None


def explain(error: Exception) -> str:
    """Return the reason of one of `DECODE_ERRORS` on one line."""
    return "it nests too deep" if isinstance(error, RecursionError) else sanitize(str(error))


def check_nesting(raw: bytes | Raw) -> None:
    """Raise ValueError for JSON that nests deeper than `MAX_NESTING`."""
    text = bytes(raw)
    if text.count(b"[") + text.count(b"{") <= MAX_NESTING:  # nearly always
        return
    brackets = _STRING.sub(b"", text).translate(None, _NOT_BRACKETS)
    for _ in range(MAX_NESTING):  # each round removes the innermost level
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if brackets:
        raise ValueError(f"it nests deeper than {MAX_NESTING} levels")


class PageDecoder(Generic[_R]):
    """Decodes pages whose rows stay JSON: fields of the type `list[Raw]` or `Raw` of the type `page`.

    What is no JSON in one row, such as half of a surrogate pair or NaN, spoils that row and not the page.
    """

    def __init__(self, page: type[_R]) -> None:
        self._page = page
        self._decoder = msgspec.json.Decoder(page)

    def decode(self, body: bytes | Raw) -> _R:
        """Return the page; raises one of `DECODE_ERRORS` where even without its rows it does not fit."""
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, UnicodeError) as error:  # what nests too deep is no page
            try:
                return self._decode_apart(bytes(body))
            except ValueError:  # not even brackets and quotes match
                raise error from None

    def decode_response(self, body: bytes, *, route: str, source: str) -> _R:
        """Return the page that is a response of `route`; raises UnexpectedResponse where it is none."""
        try:
            return self.decode(body)
        except DECODE_ERRORS as error:
            raise UnexpectedResponse(f"{route}: {explain(error)}", source) from None

    def _decode_apart(self, body: bytes) -> _R:
        return _decode_apart(self._decoder, self._page, _known_members(body, self._page))


def _decode_apart(decoder: msgspec.json.Decoder[_R], kind: type[_R], members: dict[str, bytes]) -> _R:
    """Decode an object from its members; those that stay JSON need not be JSON. Raises DECODE_ERRORS."""
    apart: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if name in members and field.type in _PLACEHOLDERS:
            raw, members[name] = members[name], _PLACEHOLDERS[field.type]
            apart[field.name] = Raw(raw) if field.type is Raw else [*map(Raw, split_entries(raw))]
    value = decoder.decode(join_members(members))
    for name, part in apart.items():
        setattr(value, name, part)
    return value


def _known_members(raw: bytes, kind: type[Struct]) -> dict[str, bytes]:
    """Return the members of an object that are fields of `kind`, without unknown members of their own."""
    members = dict(split_members(raw))
    return {
        field.encode_name: _without_unknown(members[field.encode_name], field.type)
        for field in msgspec.structs.fields(kind)
        if field.encode_name in members
    }


def _without_unknown(raw: bytes, kind: object) -> bytes:
    if isinstance(kind, type) and issubclass(kind, Struct) and raw.startswith(b"{"):
        return join_members(_known_members(raw, kind))
    return raw


class EntryDecoder(Generic[_R]):
    """Decodes entries of a side table: an optional field that does not fit costs that field only.

    Fields without a default, and those in `identity`, are what an entry cannot do without.
    """

    def __init__(self, entry: type[_R], identity: Iterable[str] = ()) -> None:
        self._entry = entry
        self._identity = frozenset(identity)
        self._decoder = msgspec.json.Decoder(entry)

    def decode(self, raw: bytes | Raw) -> tuple[_R, list[str]]:
        """Return an entry, and for each field that was left out its name and the reason.

        Raises one of `DECODE_ERRORS` where the entry does not fit without these fields.
        """
        try:
            return self._decoder.decode(raw), []
        except DECODE_ERRORS as error:
            try:
                return self._decode_fields(bytes(raw))
            except ValueError:  # no object
                raise error from None

    def _decode_fields(self, raw: bytes) -> tuple[_R, list[str]]:
        members, problems = _known_members(raw, self._entry), list[str]()
        for field in msgspec.structs.fields(self._entry):
            is_needed = field.required or field.name in self._identity
            if field.encode_name not in members or is_needed or field.type is Raw:
                continue
            try:
                msgspec.json.decode(members[field.encode_name], type=field.type)
            except DECODE_ERRORS as error:
                del members[field.encode_name]
                problems.append(f"{field.encode_name}: {error}")
        return _decode_apart(self._decoder, self._entry, members), problems


class DecodedRows(Struct, Generic[_R], frozen=True, eq=False):
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
        check_nesting(raw)
        return self._decoder.decode(raw)

    def decode_all(
        self, raws: Iterable[bytes | Raw], find_mismatch: Callable[[_R], str | None] | None = None
    ) -> DecodedRows[_R]:
        """Decode `raws`; `find_mismatch` returns why a decoded row is to be rejected, or None."""
        fitting: list[_R] = []
        rejects: list[Reject] = []
        unknown = FieldCounts()
        for raw in raws:
            try:
                row = self.decode(raw)
                if names := _FIELDS.decode(raw).keys() - self._known:
                    unknown.count(sanitize(name, 100) for name in names)
                reason = find_mismatch(row) if find_mismatch else None
            except DECODE_ERRORS as error:
                reason = explain(error)
            if reason is None:
                fitting.append(row)
            else:
                rejects.append(to_reject(reason, raw))
        return DecodedRows(fitting, tuple(rejects), dict(unknown))


def decode_each(
    decoder: _Decoder[_T],
    raws: Iterable[bytes | Raw],
    find_mismatch: Callable[[_T], str | None] = lambda _entry: None,
) -> tuple[list[_T], tuple[Reject, ...]]:
    """Decode the entries of a list one by one; return those that fit, and a reject for each of the others.

    `find_mismatch` returns why a decoded entry is to be rejected, or None.
    """
    fitting: list[_T] = []
    rejects: list[Reject] = []
    for raw in raws:
        try:
            entry = decoder.decode(raw)
            if (reason := find_mismatch(entry)) is None:
                fitting.append(entry)
                continue
        except DECODE_ERRORS as error:
            reason = explain(error)
        rejects.append(to_reject(reason, raw))
    return fitting, tuple(rejects)


def to_reject(reason: str, raw: bytes | Raw) -> Reject:
    """Return the reject of a row: a printable reason, and the row's text."""
    return Reject(sanitize(reason), reject_text(raw))


def reject_text(raw: bytes | Raw) -> str:
    """Return the text of a row that is a reject."""
    return bytes(raw).decode(errors="replace")
