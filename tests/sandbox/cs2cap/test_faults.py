"""Each fault does to an answer what it says, as often as it was asked to, and to nothing else."""

import gzip
import itertools
import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sandbox.core import Sandbox
from sandbox.cs2cap.faults import KINDS
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.sandboxes import HttpGet

BEARER = {"Authorization": f"Bearer {VALID_KEY}"}


def statuses(box: Sandbox, http_get: HttpGet, times: int, **query: Any) -> list[int]:
    return [http_get(box, limit=1, **query).status_code for _ in range(times)]


def test_a_fault_strikes_after_some_and_so_often(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("status_500", after=2, times=2)
    assert statuses(sandbox, http_get, 6) == [200, 200, 500, 500, 200, 200]


def test_a_fault_without_times_strikes_for_ever_until_cleared(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("unavailable", times=None)
    assert statuses(sandbox, http_get, 5) == [503] * 5
    sandbox.faults.clear()
    assert statuses(sandbox, http_get, 1) == [200]


def test_a_fault_keeps_to_its_path_and_query(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("status_500", times=None, match={"providers": "steam", "offset": "100"})
    assert statuses(sandbox, http_get, 1) == [200]
    assert statuses(sandbox, http_get, 1, providers="steam", offset=200) == [200]
    assert statuses(sandbox, http_get, 1, providers=["csfloat", "steam"], offset=100) == [500]
    sandbox.fault("status_500", path="/v1/fx")
    assert http_get(sandbox, "/v1/providers").status_code == 200
    assert http_get(sandbox, "/v1/fx").status_code == 500


@pytest.mark.parametrize("how", [{"kind": "earthquake"}, {"kind": "drop", "seconds": 1}])
def test_an_unknown_fault_is_refused(sandbox: Sandbox, how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"earthquake|takes no parameters"):
        sandbox.fault(**how)


@pytest.mark.parametrize(
    ("fault", "status", "code", "media"),
    [
        ({"kind": "rate_limited", "retry_after": 7}, 429, "RATE_LIMIT_EXCEEDED", "application/json"),
        ({"kind": "status_500"}, 500, None, "text/plain"),
        ({"kind": "status_500", "status": 502}, 502, None, "text/plain"),
        ({"kind": "unavailable"}, 503, "PRICES_INDEX_UNAVAILABLE", "application/json"),
        ({"kind": "unavailable", "coded": False}, 503, None, "application/json"),
        ({"kind": "html"}, 200, None, "text/html; charset=utf-8"),
        ({"kind": "redirect", "location": "http://127.0.0.2:9/"}, 302, None, "application/json"),
        ({"kind": "revoke_key"}, 401, "AUTH_API_KEY_REVOKED", "application/json"),
    ],
    ids=lambda value: value.get("kind") if isinstance(value, dict) else None,
)
def test_an_answer_takes_the_place_of_the_right_one(
    sandbox: Sandbox, http_get: HttpGet, fault: dict[str, Any], status: int, code: str | None, media: str
) -> None:
    sandbox.fault(**fault)
    answer = http_get(sandbox)
    body = answer.json() if answer.headers["Content-Type"] == "application/json" and answer.content else {}
    assert (answer.status_code, body.get("code"), answer.headers["Content-Type"]) == (status, code, media)
    if status == 429:
        assert answer.headers["Retry-After"] == "7"
    if status == 302:
        assert answer.headers["Location"] == "http://127.0.0.2:9/"


def test_a_key_revoked_at_a_request_stays_revoked(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("revoke_key", after=1)
    assert statuses(sandbox, http_get, 4) == [200, 401, 401, 401]
    assert http_get(sandbox, "/v1/account/key").json()["code"] == "AUTH_API_KEY_REVOKED"


def test_latency_delays_the_answer_and_no_other(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("latency", seconds=0.3, path="/v1/fx")
    start = time.monotonic()
    http_get(sandbox)
    between = time.monotonic()
    http_get(sandbox, "/v1/fx")
    assert time.monotonic() - between >= 0.3 > between - start


def test_a_dropped_connection_gives_no_answer(
    sandbox: Sandbox, http_get: HttpGet, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fault("drop")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        http_get(sandbox)
    assert (sandbox.requests.since()[-1].status, sandbox.requests.since()[-1].code) == (None, "drop")
    assert http_get(sandbox).status_code == 200
    assert not caplog.records


def test_a_lost_answer_was_paid_for_all_the_same(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("lost_answer")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        http_get(sandbox)
    assert (sandbox.requests.since()[-1].status, sandbox.requests.since()[-1].code) == (None, "drop")
    assert http_get(sandbox, "/v1/account/key").json()["requests_this_month"] == 1


def test_a_truncated_body_is_shorter_than_it_promised(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("truncate")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        http_get(sandbox)
    assert http_get(sandbox).status_code == 200


def test_a_truncated_gzip_is_as_long_as_promised_and_ends_early(sandbox: Sandbox) -> None:
    sandbox.fault("truncate", how="gzip")
    with httpx.stream("GET", sandbox.url + "/v1/prices", headers=BEARER) as answer:
        body = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(body) == int(answer.headers["Content-Length"])
    with pytest.raises(EOFError):
        gzip.decompress(body)
    assert zlib.decompressobj(31).decompress(body).startswith(b'{"meta"')


@pytest.mark.parametrize(
    ("field", "value"),
    [("lowest_ask", "abc"), ("timestamp", "yesterday"), ("quantity", None), ("lowest_ask_decimal", "1,5")],
)
def test_one_row_is_broken_and_no_other(
    sandbox: Sandbox, http_get: HttpGet, field: str, value: str | None
) -> None:
    right = http_get(sandbox).json()
    sandbox.fault("broken_row", field=field, value=value, row=5)
    wrong = http_get(sandbox).json()
    assert wrong["items"][5].pop(field) == value
    right["items"][5].pop(field)
    assert wrong == right


def test_a_row_lacks_a_field(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("broken_row", field="provider")
    assert ["provider" in row for row in http_get(sandbox, limit=3).json()["items"]] == [False, True, True]


def test_a_new_field_is_on_every_row(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("new_field", name="pattern", value=[1, 2])
    assert [row["pattern"] for row in http_get(sandbox, limit=3).json()["items"]] == [[1, 2]] * 3


@pytest.mark.parametrize(("kind", "sign"), [("rows_appear", 1), ("rows_vanish", -1)])
@pytest.mark.parametrize("refresh", [0, 300])
def test_rows_come_and_go_in_the_middle_of_a_walk(
    make_sandbox: Callable[..., Sandbox], http_get: HttpGet, kind: str, sign: int, refresh: float
) -> None:
    box = make_sandbox(refresh=refresh)
    box.fault(kind, n=3, after=1)
    totals = [
        http_get(box, providers="steam", limit=100, offset=n).json()["pagination"]["total"]
        for n in (0, 100, 200)
    ]
    assert totals == [totals[0], totals[0] + 3 * sign, totals[0] + 3 * sign]


def test_rows_vanish_where_the_walk_has_been(sandbox: Sandbox, http_get: HttpGet) -> None:
    gone = [row["item_id"] for row in http_get(sandbox, providers="steam", limit=2).json()["items"]]
    sandbox.fault("rows_vanish", n=2, item_ids=gone)
    kept = http_get(sandbox, providers="steam").json()["items"]
    assert not {row["item_id"] for row in kept} & set(gone)


def test_a_provider_goes_dark_in_the_middle_of_a_walk(sandbox: Sandbox, http_get: HttpGet) -> None:
    before = sandbox.ledger()
    sandbox.fault("dark", provider="steam", after=1)
    http_get(sandbox)
    http_get(sandbox)
    assert_frame_equal(sandbox.ledger(), before.filter(pl.col("provider") != "steam"))


def test_an_endless_walk_repeats_its_page(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("endless", times=None)
    first, second = (http_get(sandbox, limit=10, offset=n).json() for n in (0, 10**6))
    assert first["items"] == second["items"]
    assert second["pagination"]["has_next"] is True


def test_an_endless_walk_may_be_empty_beyond_its_end(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("endless", how="empty", times=None)
    page = http_get(sandbox, limit=10, offset=10**6).json()
    assert page["items"] == []
    assert page["pagination"]["has_next"] is True


def test_the_total_is_unknown_and_the_rows_are_right(sandbox: Sandbox, http_get: HttpGet) -> None:
    right = http_get(sandbox).json()
    sandbox.fault("unknown_total")
    wrong = http_get(sandbox).json()
    assert wrong["pagination"].pop("total") == -1
    right["pagination"].pop("total")
    assert wrong == right


def stream(box: Sandbox) -> httpx.Response:
    return httpx.post(box.url + "/v1/prices", headers=BEARER)


def torn_stream(box: Sandbox, *, raw: bool = False) -> bytes:
    """What comes of a stream before its connection ends."""
    came: list[bytes] = []
    with (
        httpx.stream("POST", box.url + "/v1/prices", headers=BEARER) as answer,
        pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"),
    ):
        came.extend(answer.iter_raw() if raw else answer.iter_bytes())
    return b"".join(came)


def test_a_fault_keeps_to_its_method(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("status_500", method="POST")
    assert http_get(sandbox).status_code == 200
    assert stream(sandbox).status_code == 500


@pytest.mark.parametrize("rows", [0, 1, 1000])
def test_a_stream_breaks_off_in_the_middle_of_a_row(sandbox: Sandbox, rows: int) -> None:
    right = stream(sandbox).content.splitlines()
    sandbox.fault("truncate", rows=rows)
    *whole, torn = torn_stream(sandbox).splitlines()
    assert whole == right[:rows]
    assert torn == right[rows][: (len(right[rows]) + 1) // 2]


def test_a_stream_breaks_off_after_a_share_of_its_bytes(sandbox: Sandbox) -> None:
    right = stream(sandbox)
    sandbox.fault("truncate", share=0.75)
    came = torn_stream(sandbox, raw=True)
    assert len(came) == int(len(sandbox.render().body) * 0.75)
    assert right.content.startswith(zlib.decompressobj(31).decompress(came))


def test_a_stream_ends_cleanly_and_short_of_its_total(sandbox: Sandbox) -> None:
    right = stream(sandbox)
    sandbox.fault("short_stream", rows=7)
    short = stream(sandbox)
    assert short.content.splitlines() == right.content.splitlines()[:-7]
    assert short.headers["X-Snapshot-Total"] == right.headers["X-Snapshot-Total"]


def test_a_stream_does_not_know_its_total(sandbox: Sandbox) -> None:
    right = stream(sandbox)
    sandbox.fault("unknown_total")
    unknown = stream(sandbox)
    assert "X-Snapshot-Total" not in unknown.headers
    assert unknown.content == right.content


@pytest.mark.parametrize("text", ["", "null", '{"provider": '])
def test_one_line_of_a_stream_is_broken_and_no_other(sandbox: Sandbox, text: str) -> None:
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


def test_quotes_of_a_batch_are_broken_and_get_new_fields(sandbox: Sandbox) -> None:
    path, body = "/v1/prices/batch", {"item_ids": [1, 2, 3]}
    sandbox.fault("broken_row", row=1, path=path)
    sandbox.fault("new_field", path=path)
    answer = httpx.post(sandbox.url + path, json=body, headers=BEARER).json()
    quotes = [quote for item in answer["items"] for quote in item["quotes"]]
    assert ["lowest_ask" in quote for quote in quotes[:3]] == [True, False, True]
    assert {quote["float_value"] for quote in quotes} == {0.5}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_falls_silent_in_the_middle(sandbox: Sandbox, method: str) -> None:
    sandbox.fault("stall", seconds=0.3)
    with httpx.stream(method, sandbox.url + "/v1/prices", headers=BEARER) as answer:
        times = [time.monotonic() for _ in answer.iter_raw()]
    assert 0.25 < max(after - before for before, after in itertools.pairwise(times)) < 5


def test_a_skewed_date(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("skewed_date", seconds=-3600)
    assert http_get(sandbox).headers["Date"] == "Mon, 01 Jun 2026 11:00:00 GMT"


def test_every_fault_is_tested_here_or_with_the_cursors() -> None:
    here = Path(__file__)
    source = "".join(path.read_text(encoding="utf-8") for path in (here, here.with_name("test_cursors.py")))
    assert not [kind for kind in KINDS if f'"{kind}"' not in source]
