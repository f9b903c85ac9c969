"""What faults do to an answer that was right: to its rows, to its lines, to the way it is sent."""

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from sandbox.cs2cap.faults import CURSORS, Fault
from sandbox.cs2cap.series.cursors import broken_cursor
from sandbox.http_types import NDJSON, ApiRequest, ApiResponse, Json, dumps

Payload = dict[str, Json]


def apply_faults(answer: ApiResponse, faults: Iterable[Fault], request: ApiRequest) -> ApiResponse:
    """Return the answer as the faults leave it."""
    for fault in faults:
        if fault.kind in CURSORS and answer.status == 200:
            _break_cursor(answer, broken_cursor(fault.kind, request.one("cursor") or ""))
        if fault.kind in _EDITS and answer.status == 200:
            _edit(answer, fault)
        if fault.kind in _LINES and answer.media == NDJSON:
            answer.body, answer.gzipped = b"".join(_LINES[fault.kind](_lines(answer), fault)), False
        if fault.kind in _SENDING:
            _SENDING[fault.kind](answer, fault)
    return answer


def _break_cursor(answer: ApiResponse, footer: Mapping[str, Json]) -> None:
    page: Payload = json.loads(_plain(answer))
    cast("Payload", page["pagination"]).update(footer)
    answer.body, answer.gzipped = dumps(page), False


def _plain(answer: ApiResponse) -> bytes:
    return gzip.decompress(answer.body) if answer.gzipped else answer.body


def _lines(answer: ApiResponse) -> list[bytes]:
    return _plain(answer).splitlines(keepends=True)


def _edit(answer: ApiResponse, fault: Fault) -> None:
    """Edit the rows of a page, or of a stream as if it were one."""
    if answer.media == NDJSON:
        page: Payload = {"items": [json.loads(line) for line in _lines(answer)]}
        _EDITS[fault.kind](page, fault)
        body = b"".join(dumps(row) + b"\n" for row in _rows(page))
    else:
        page = json.loads(_plain(answer))
        _EDITS[fault.kind](page, fault)
        body = dumps(page)
    answer.body, answer.gzipped = body, False


def _rows(page: Payload) -> list[Payload]:
    """Return the quotes of a page, also of a batch, or the candles of an answer."""
    items = cast("list[Payload]", page["items"] if "items" in page else page["data"])
    return [quote for item in items for quote in cast("list[Payload]", item.get("quotes", [item]))]


def _break_row(page: Payload, fault: Fault) -> None:
    if rows := _rows(page):
        row = rows[int(fault.number("row", 0)) % len(rows)]
        if "value" in fault.params:
            row[fault.text("field", "lowest_ask")] = fault.params["value"]
        else:
            row.pop(fault.text("field", "lowest_ask"), None)


def _new_field(page: Payload, fault: Fault) -> None:
    for row in _rows(page):
        row[fault.text("name", "float_value")] = fault.params.get("value", 0.5)


def _endless(page: Payload, _fault: Fault) -> None:
    cast("Payload", page.get("pagination", {}))["has_next"] = True


def _unknown_total(page: Payload, _fault: Fault) -> None:
    cast("Payload", page.get("pagination", {}))["total"] = -1


def _broken_line(lines: list[bytes], fault: Fault) -> list[bytes]:
    """Put `text` in the place of a line, or leave half of it."""
    place = int(fault.number("row", 0)) % len(lines)
    text = fault.text("text").encode() or lines[place][: len(lines[place]) // 2]
    return [*lines[:place], text + b"\n", *lines[place + 1 :]]


def _truncate_lines(lines: list[bytes], fault: Fault) -> list[bytes]:
    return lines[: -int(fault.number("rows", 1))]


def _without_total(answer: ApiResponse, _fault: Fault) -> None:
    answer.headers.pop("X-Snapshot-Total", None)


def _truncate(answer: ApiResponse, fault: Fault) -> None:
    """`how`: "length" sends less than it promises, "gzip" sends a whole body whose gzip ends early.

    The connection ends after a `share` of the body (half of it), or so many `rows` and a half of a stream.
    """
    if fault.text("how", "length") == "gzip":
        packed = answer.body if answer.gzipped else gzip.compress(answer.body, compresslevel=1)
        answer.body, answer.gzipped = packed[: len(packed) // 2], True
        answer.headers["Content-Encoding"] = "gzip"
    elif "rows" in fault.params:
        lines, whole = _lines(answer), int(fault.number("rows", 0))
        torn = b"".join(line[: len(line) // 2] for line in lines[whole : whole + 1])
        answer.body, answer.gzipped, answer.cut = b"".join(lines[:whole]) + torn, False, 1.0
    else:
        answer.cut = fault.number("share", 0.5)


def _stall(answer: ApiResponse, fault: Fault) -> None:
    answer.stall = fault.number("seconds", 1)


def _drop_connection(answer: ApiResponse, _fault: Fault) -> None:
    answer.drop = True


_EDITS: Mapping[str, Callable[[Payload, Fault], None]] = {
    "broken_row": _break_row,
    "new_field": _new_field,
    "endless": _endless,
    "unknown_total": _unknown_total,
}
_LINES: Mapping[str, Callable[[list[bytes], Fault], list[bytes]]] = {
    "broken_line": _broken_line,
    "short_stream": _truncate_lines,
}
_SENDING: Mapping[str, Callable[[ApiResponse, Fault], None]] = {
    "truncate": _truncate,
    "stall": _stall,
    "lost_answer": _drop_connection,
    "unknown_total": _without_total,
}
