"""The effects of faults on a correct response: on its rows, its lines, and the way it is sent."""

import gzip
import json
from collections.abc import Callable, Iterable, Mapping
from typing import cast

from sandbox.cs2cap.faults import CURSOR_KINDS, Fault
from sandbox.cs2cap.series.cursors import broken_cursor
from sandbox.http_types import JSON, NDJSON, ApiRequest, ApiResponse, Json, dumps

Payload = dict[str, Json]


def apply_faults(response: ApiResponse, faults: Iterable[Fault], request: ApiRequest) -> ApiResponse:
    """Return the response after the effects of the faults: on its rows, its lines, then its transfer."""
    faults = list(faults)
    has_rows = response.status == 200 and response.media in {JSON, NDJSON} and not response.drop
    for fault in faults if has_rows else ():
        if fault.kind in CURSOR_KINDS:
            _break_cursor(response, fault, request)
        if fault.kind in _EDITS:
            _edit_rows(response, fault)
    for fault in faults:
        if fault.kind in _LINE_EDITS and response.media == NDJSON:
            response.body = b"".join(_LINE_EDITS[fault.kind](_lines(response), fault))
            response.gzipped = False
    for fault in faults:
        if fault.kind in _TRANSFER_EFFECTS:
            _TRANSFER_EFFECTS[fault.kind](response, fault)
    return response


def _break_cursor(response: ApiResponse, fault: Fault, request: ApiRequest) -> None:
    page: Payload = json.loads(_plain_body(response))
    cast("Payload", page["pagination"]).update(broken_cursor(fault.kind, request.one("cursor") or ""))
    response.body, response.gzipped = dumps(page), False


def _plain_body(response: ApiResponse) -> bytes:
    return gzip.decompress(response.body) if response.gzipped else response.body


def _lines(response: ApiResponse) -> list[bytes]:
    return _plain_body(response).splitlines(keepends=True)


def _edit_rows(response: ApiResponse, fault: Fault) -> None:
    """Edit the rows of a page, or of a stream as if it were one page."""
    if response.media == NDJSON:
        page: Payload = {"items": [json.loads(line) for line in _lines(response)]}
        _EDITS[fault.kind](page, fault)
        body = b"".join(dumps(row) + b"\n" for row in _rows(page))
    else:
        page = json.loads(_plain_body(response))
        _EDITS[fault.kind](page, fault)
        body = dumps(page)
    response.body, response.gzipped = body, False


def _rows(page: Payload) -> list[Payload]:
    """Return the quotes of a page or a batch, or the candles of a response."""
    items = cast("list[Payload]", page["items"] if "items" in page else page["data"])
    return [quote for item in items for quote in cast("list[Payload]", item.get("quotes", [item]))]


def _break_row(page: Payload, fault: Fault) -> None:
    if rows := _rows(page):
        row = rows[int(fault.number("row", 0)) % len(rows)]
        if "value" in fault.params:
            row[fault.text("field", "lowest_ask")] = fault.params["value"]
        else:
            row.pop(fault.text("field", "lowest_ask"), None)


def _add_field(page: Payload, fault: Fault) -> None:
    for row in _rows(page):
        row[fault.text("name", "float_value")] = fault.params.get("value", 0.5)


def _repeat_row(page: Payload, fault: Fault) -> None:
    """List a quote of a page twice, in addition to the page's other rows."""
    if rows := cast("list[Payload]", page["items"]):
        rows.append(rows[int(fault.number("row", 0)) % len(rows)])


def _change_total(page: Payload, fault: Fault) -> None:
    if "pagination" in page:  # a stream has its total in a header, and a batch has none
        pagination = cast("Payload", page["pagination"])
        pagination["total"] = cast("int", pagination["total"]) + int(fault.number("by", 1))


def _change_total_of_stream(response: ApiResponse, fault: Fault) -> None:
    if "X-Snapshot-Total" in response.headers:
        total = int(response.headers["X-Snapshot-Total"]) + int(fault.number("by", 1))
        response.headers["X-Snapshot-Total"] = str(total)


def _set_pagination(name: str, value: Json) -> Callable[[Payload, Fault], None]:
    def edit(page: Payload, _fault: Fault) -> None:
        cast("Payload", page.get("pagination", {}))[name] = value

    return edit


def _break_line(lines: list[bytes], fault: Fault) -> list[bytes]:
    """Replace a line by `text`, or by its first half; a body without lines stays as it is."""
    if not lines:
        return lines
    row = int(fault.number("row", 0)) % len(lines)
    text = fault.text("text").encode() or lines[row][: len(lines[row]) // 2]
    return [*lines[:row], text + b"\n", *lines[row + 1 :]]


def _remove_last_lines(lines: list[bytes], fault: Fault) -> list[bytes]:
    return lines[: -int(fault.number("rows", 1))]


def _remove_total(response: ApiResponse, _fault: Fault) -> None:
    response.headers.pop("X-Snapshot-Total", None)


def _truncate(response: ApiResponse, fault: Fault) -> None:
    """Send a body that is too short: `how` is "length" (less than promised) or "gzip" (half of the gzip).

    With "length" the connection closes after a `share` of the body (default: half), or in a stream after so
    many `rows` and half of the next.
    """
    if fault.text("how", "length") == "gzip":
        packed = response.body if response.gzipped else gzip.compress(response.body, compresslevel=1)
        response.body, response.gzipped = packed[: len(packed) // 2], True
        response.headers["Content-Encoding"] = "gzip"
    elif "rows" in fault.params:
        lines, complete = _lines(response), int(fault.number("rows", 0))
        torn = b"".join(line[: len(line) // 2] for line in lines[complete : complete + 1])
        response.body, response.gzipped, response.cut = b"".join(lines[:complete]) + torn, False, 1.0
    else:
        response.cut = fault.number("share", 0.5)


def _stall(response: ApiResponse, fault: Fault) -> None:
    response.stall = fault.number("seconds", 1)


def _drop_connection(response: ApiResponse, _fault: Fault) -> None:
    response.drop = True


_EDITS: Mapping[str, Callable[[Payload, Fault], None]] = {
    "broken_row": _break_row,
    "new_field": _add_field,
    "endless": _set_pagination("has_next", value=True),
    "repeated_row": _repeat_row,
    "unknown_total": _set_pagination("total", value=-1),
    "wrong_total": _change_total,
}
_LINE_EDITS: Mapping[str, Callable[[list[bytes], Fault], list[bytes]]] = {
    "broken_line": _break_line,
    "short_stream": _remove_last_lines,
}
_TRANSFER_EFFECTS: Mapping[str, Callable[[ApiResponse, Fault], None]] = {
    "truncate": _truncate,
    "stall": _stall,
    "lost_answer": _drop_connection,
    "unknown_total": _remove_total,
    "wrong_total": _change_total_of_stream,
}
