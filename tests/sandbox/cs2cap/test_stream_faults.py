"""Faults of the stream: it is cut, ends early, has no or a wrong total, and lines or rows that are broken."""

import json
import zlib

import httpx
import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support import patient

BEARER = {"Authorization": f"Bearer {VALID_KEY}"}


def stream(sandbox: Sandbox) -> httpx.Response:
    return patient.post(sandbox.url + "/v1/prices", headers=BEARER)


def read_cut_stream(sandbox: Sandbox, *, raw: bool = False) -> bytes:
    """Return what is received of a stream before its connection closes."""
    received: list[bytes] = []
    with (
        patient.stream("POST", sandbox.url + "/v1/prices", headers=BEARER) as response,
        pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"),
    ):
        received.extend(response.iter_raw() if raw else response.iter_bytes())
    return b"".join(received)


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_stream_is_cut_in_the_middle_of_a_row(sandbox: Sandbox, rows: int) -> None:
    right = stream(sandbox).content.splitlines()
    sandbox.fault("truncate", rows=rows)
    *complete, torn = read_cut_stream(sandbox).splitlines()
    assert complete == right[:rows]
    assert torn == right[rows][: (len(right[rows]) + 1) // 2]


def test_stream_is_cut_after_a_share_of_its_bytes(sandbox: Sandbox) -> None:
    right = stream(sandbox)
    sandbox.fault("truncate", share=0.75)
    received = read_cut_stream(sandbox, raw=True)
    assert len(received) == int(len(sandbox.render().body) * 0.75)
    assert right.content.startswith(zlib.decompressobj(31).decompress(received))


def test_short_stream_ends_cleanly_below_its_total(sandbox: Sandbox) -> None:
    right = stream(sandbox)
    sandbox.fault("short_stream", rows=7)
    short = stream(sandbox)
    assert short.content.splitlines() == right.content.splitlines()[:-7]
    assert short.headers["X-Snapshot-Total"] == right.headers["X-Snapshot-Total"]


def test_stream_without_its_total(sandbox: Sandbox) -> None:
    right = stream(sandbox)
    sandbox.fault("unknown_total")
    unknown = stream(sandbox)
    assert "X-Snapshot-Total" not in unknown.headers
    assert unknown.content == right.content


def test_body_is_cut_after_its_rows_are_edited(sandbox: Sandbox) -> None:
    sandbox.fault("truncate", how="gzip")
    sandbox.fault("broken_line", row=1, text="[")
    sandbox.fault("unknown_total")
    sandbox.fault("broken_row", field="provider", value="odd")
    with patient.stream("POST", sandbox.url + "/v1/prices", headers=BEARER) as response:
        body = b"".join(response.iter_raw())
    assert b'"odd"' in zlib.decompressobj(31).decompress(body).splitlines()[0]
    assert stream(sandbox).status_code == 200  # the first one is not active any more


def test_stream_with_a_wrong_total(sandbox: Sandbox) -> None:
    right = stream(sandbox)
    sandbox.fault("wrong_total", by=-3)
    wrong = stream(sandbox)
    assert int(wrong.headers["X-Snapshot-Total"]) == int(right.headers["X-Snapshot-Total"]) - 3
    assert wrong.content == right.content


@pytest.mark.parametrize("text", ["", "null", '{"provider": '])
def test_broken_line_changes_no_other_line(sandbox: Sandbox, text: str) -> None:
    right = stream(sandbox).text.splitlines()
    sandbox.fault("broken_line", row=5, text=text)
    wrong = stream(sandbox).text.splitlines()
    assert wrong[5] == (text or wrong[5])
    assert wrong[5] != right[5]
    assert wrong[:5] + wrong[6:] == right[:5] + right[6:]
    with pytest.raises((ValueError, TypeError)):
        dict(json.loads(wrong[5]))


def test_rows_of_a_stream_are_broken_and_get_new_fields(sandbox: Sandbox) -> None:
    sandbox.fault("broken_row", row=1, field="quantity", value="many")
    sandbox.fault("new_field", name="pattern", value=3)
    rows = [json.loads(line) for line in stream(sandbox).text.splitlines()]
    assert [row["quantity"] == "many" for row in rows[:3]] == [False, True, False]
    assert {row["pattern"] for row in rows} == {3}
    assert len(rows) == sandbox.ledger().height


@pytest.mark.parametrize("kind", ["broken_line", "short_stream", "broken_row", "new_field", "repeated_row"])
def test_stream_without_rows_stays_one(sandbox: Sandbox, kind: str) -> None:
    sandbox.fault("short_stream", rows=1_000_000)
    sandbox.fault(kind)
    empty = stream(sandbox)
    assert (empty.status_code, empty.content) == (200, b"")
