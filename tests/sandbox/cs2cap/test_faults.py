"""Each fault has its effect on the requests that it selects, as often as configured."""

import gzip
import itertools
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sandbox.core import Sandbox
from sandbox.cs2cap.faults import KINDS
from sandbox.cs2cap.keys import VALID_KEY
from tests.support import patient
from tests.support.sandboxes import HttpGet, MakeSandbox
from tests.support.waiting import wait_until

# Tests of faults stand there, too.
OTHERS = ("test_cursors.py", "test_stream_faults.py", "test_feed_faults.py")
BEARER = {"Authorization": f"Bearer {VALID_KEY}"}


def statuses(sandbox: Sandbox, http_get: HttpGet, times: int, **query: Any) -> list[int]:
    return [http_get(sandbox, limit=1, **query).status_code for _ in range(times)]


def test_fault_fails_so_many_requests_after_some_that_pass(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("status_500", after=2, times=2)
    assert statuses(sandbox, http_get, 6) == [200, 200, 500, 500, 200, 200]


def test_fault_without_times_fails_all_requests_until_cleared(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("unavailable", times=None)
    assert statuses(sandbox, http_get, 5) == [503] * 5
    sandbox.faults.clear()
    assert statuses(sandbox, http_get, 1) == [200]


def test_fault_affects_only_its_path_and_query(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("status_500", times=None, match={"providers": "steam", "offset": "100"})
    assert statuses(sandbox, http_get, 1) == [200]
    assert statuses(sandbox, http_get, 1, providers="steam", offset=200) == [200]
    assert statuses(sandbox, http_get, 1, providers=["csfloat", "steam"], offset=100) == [500]
    sandbox.fault("status_500", path="/v1/fx")
    assert http_get(sandbox, "/v1/providers").status_code == 200
    assert http_get(sandbox, "/v1/fx").status_code == 500


@pytest.mark.parametrize("fields", [{"kind": "earthquake"}, {"kind": "drop", "seconds": 1}])
def test_unknown_fault_is_refused(sandbox: Sandbox, fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"earthquake|takes no parameters"):
        sandbox.fault(**fields)


@pytest.mark.parametrize(
    ("fault", "status", "code", "media"),
    [
        ({"kind": "rate_limited", "retry_after": 7}, 429, "RATE_LIMIT_EXCEEDED", "application/json"),
        ({"kind": "refused", "status": 404}, 404, None, "application/json"),
        ({"kind": "refused", "code": "NEW"}, 403, "NEW", "application/json"),
        ({"kind": "status_500"}, 500, None, "text/plain"),
        ({"kind": "status_500", "status": 502}, 502, None, "text/plain"),
        ({"kind": "unavailable"}, 503, "PRICES_INDEX_UNAVAILABLE", "application/json"),
        ({"kind": "unavailable", "coded": False}, 503, None, "application/json"),
        ({"kind": "html"}, 200, None, "text/html; charset=utf-8"),
        ({"kind": "html", "status": 502}, 502, None, "text/html; charset=utf-8"),
        ({"kind": "redirect", "location": "http://127.0.0.2:9/"}, 302, None, "application/json"),
        ({"kind": "revoke_key"}, 401, "AUTH_API_KEY_REVOKED", "application/json"),
    ],
    ids=lambda value: value.get("kind") if isinstance(value, dict) else None,
)
def test_fault_replaces_the_response(
    sandbox: Sandbox, http_get: HttpGet, fault: dict[str, Any], status: int, code: str | None, media: str
) -> None:
    sandbox.fault(**fault)
    response = http_get(sandbox)
    body = (
        response.json() if response.headers["Content-Type"] == "application/json" and response.content else {}
    )
    assert (response.status_code, body.get("code"), response.headers["Content-Type"]) == (status, code, media)
    if status == 429:
        assert response.headers["Retry-After"] == "7"
    if status == 302:
        assert response.headers["Location"] == "http://127.0.0.2:9/"


def test_key_revoked_at_a_request_stays_revoked(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("revoke_key", after=1)
    assert statuses(sandbox, http_get, 4) == [200, 401, 401, 401]
    assert http_get(sandbox, "/v1/account/key").json()["code"] == "AUTH_API_KEY_REVOKED"


def test_latency_delays_only_its_response(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("latency", seconds=0.3, path="/v1/fx")

    def measure(path: str) -> float:
        began = time.monotonic()
        http_get(sandbox, path)
        return time.monotonic() - began

    # A busy machine may delay one of them.
    assert min(measure("/v1/prices") for _ in range(9)) < 0.3 <= measure("/v1/fx")


def test_latency_ends_once_the_fault_is_cleared(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("latency", seconds=3600)
    with ThreadPoolExecutor() as pool:
        response = pool.submit(http_get, sandbox)
        wait_until(lambda: len(sandbox.requests))
        assert not response.done()
        sandbox.faults.clear()
        assert response.result().status_code == 200


def test_dropped_connection_has_no_response(
    sandbox: Sandbox, http_get: HttpGet, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fault("drop")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        http_get(sandbox)
    assert (sandbox.requests.since()[-1].status, sandbox.requests.since()[-1].code) == (None, "drop")
    assert http_get(sandbox).status_code == 200
    assert not caplog.records


def test_lost_response_costs_a_request(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("lost_answer")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending a response"):
        http_get(sandbox)
    assert (sandbox.requests.since()[-1].status, sandbox.requests.since()[-1].code) == (None, "drop")
    assert http_get(sandbox, "/v1/account/key").json()["requests_this_month"] == 1


def test_truncated_body_is_shorter_than_its_length(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("truncate")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
        http_get(sandbox)
    assert http_get(sandbox).status_code == 200


def test_truncated_gzip_has_its_full_length_and_ends_early(sandbox: Sandbox) -> None:
    sandbox.fault("truncate", how="gzip")
    with patient.stream("GET", sandbox.url + "/v1/prices", headers=BEARER) as response:
        body = b"".join(response.iter_raw())
    assert response.headers["Content-Encoding"] == "gzip"
    assert len(body) == int(response.headers["Content-Length"])
    with pytest.raises(EOFError):
        gzip.decompress(body)
    assert zlib.decompressobj(31).decompress(body).startswith(b'{"meta"')


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lowest_ask", "abc"),
        ("timestamp", "yesterday"),
        ("quantity", None),
        ("lowest_ask_decimal", "1,5"),
        ("market_hash_name", "half a pair: \ud800"),
    ],
)
def test_broken_row_changes_no_other_row(
    sandbox: Sandbox, http_get: HttpGet, field: str, value: str | None
) -> None:
    right = http_get(sandbox).json()
    sandbox.fault("broken_row", field=field, value=value, row=5)
    wrong = http_get(sandbox).json()
    assert wrong["items"][5].pop(field) == value
    right["items"][5].pop(field)
    assert wrong == right


def test_broken_row_lacks_a_field(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("broken_row", field="provider")
    assert ["provider" in row for row in http_get(sandbox, limit=3).json()["items"]] == [False, True, True]


def test_every_row_has_the_new_field(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("new_field", name="pattern", value=[1, 2])
    assert [row["pattern"] for row in http_get(sandbox, limit=3).json()["items"]] == [[1, 2]] * 3


@pytest.mark.parametrize(("kind", "sign"), [("rows_appear", 1), ("rows_vanish", -1)])
@pytest.mark.parametrize("refresh", [0, 300])
def test_rows_appear_and_vanish_between_pages(
    make_sandbox: MakeSandbox, http_get: HttpGet, kind: str, sign: int, refresh: float
) -> None:
    sandbox = make_sandbox(refresh=refresh)
    sandbox.fault(kind, n=3, after=1)
    totals = [
        http_get(sandbox, providers="steam", limit=100, offset=n).json()["pagination"]["total"]
        for n in (0, 100, 200)
    ]
    assert totals == [totals[0], totals[0] + 3 * sign, totals[0] + 3 * sign]


def test_rows_vanish_from_pages_that_were_read(sandbox: Sandbox, http_get: HttpGet) -> None:
    item_ids = [row["item_id"] for row in http_get(sandbox, providers="steam", limit=2).json()["items"]]
    sandbox.fault("rows_vanish", n=2, item_ids=item_ids)
    rows = http_get(sandbox, providers="steam").json()["items"]
    assert not {row["item_id"] for row in rows} & set(item_ids)


def test_provider_goes_dark_between_pages(sandbox: Sandbox, http_get: HttpGet) -> None:
    before = sandbox.ledger()
    sandbox.fault("dark", provider="steam", after=1)
    http_get(sandbox)
    http_get(sandbox)
    assert_frame_equal(sandbox.ledger(), before.filter(pl.col("provider") != "steam"))


def test_endless_listing_repeats_its_page(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("endless", times=None)
    first, second = (http_get(sandbox, limit=10, offset=n).json() for n in (0, 10**6))
    assert first["items"] == second["items"]
    assert second["pagination"]["has_next"] is True


def test_endless_listing_can_be_empty_after_its_end(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("endless", how="empty", times=None)
    page = http_get(sandbox, limit=10, offset=10**6).json()
    assert page["items"] == []
    assert page["pagination"]["has_next"] is True


def test_unknown_total_leaves_the_rows_as_they_are(sandbox: Sandbox, http_get: HttpGet) -> None:
    right = http_get(sandbox).json()
    sandbox.fault("unknown_total")
    wrong = http_get(sandbox).json()
    assert wrong["pagination"].pop("total") == -1
    right["pagination"].pop("total")
    assert wrong == right


def test_page_repeats_a_row(sandbox: Sandbox, http_get: HttpGet) -> None:
    right = http_get(sandbox, limit=3).json()
    sandbox.fault("repeated_row", row=1)
    wrong = http_get(sandbox, limit=3).json()
    assert wrong["items"].pop() == right["items"][1]
    assert wrong == right


def test_wrong_total_leaves_the_rows_as_they_are(sandbox: Sandbox, http_get: HttpGet) -> None:
    right = http_get(sandbox).json()
    sandbox.fault("wrong_total", by=3)
    wrong = http_get(sandbox).json()
    assert wrong["pagination"].pop("total") == right["pagination"].pop("total") + 3
    assert wrong == right


def test_fault_affects_only_its_method(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("status_500", method="POST")
    assert http_get(sandbox).status_code == 200
    assert patient.post(sandbox.url + "/v1/prices", headers=BEARER).status_code == 500


def test_page_of_a_proxy_has_no_rows_to_edit(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("html")
    sandbox.fault("broken_row")
    assert http_get(sandbox).text.startswith("<!doctype html>")


def test_dropped_response_has_no_rows_to_edit(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("drop")
    sandbox.fault("broken_row")
    with pytest.raises(httpx.RemoteProtocolError):
        http_get(sandbox)


def test_quotes_of_a_batch_are_broken_and_get_new_fields(sandbox: Sandbox) -> None:
    path, body = "/v1/prices/batch", {"item_ids": [1, 2, 3]}
    sandbox.fault("broken_row", row=1, path=path)
    sandbox.fault("new_field", path=path)
    response = patient.post(sandbox.url + path, json=body, headers=BEARER).json()
    quotes = [quote for item in response["items"] for quote in item["quotes"]]
    assert ["lowest_ask" in quote for quote in quotes[:3]] == [True, False, True]
    assert {quote["float_value"] for quote in quotes} == {0.5}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_response_stalls_in_the_middle(sandbox: Sandbox, method: str) -> None:
    sandbox.fault("stall", seconds=0.3, times=None)

    def measure() -> float:
        with patient.stream(method, sandbox.url + "/v1/prices", headers=BEARER) as response:
            times = [time.monotonic() for _ in response.iter_raw()]
        return max((after - before for before, after in itertools.pairwise(times)), default=0.0)

    # A busy machine may read the first half late.
    assert any(measure() > 0.25 for _ in range(9))


def test_date_is_skewed(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.fault("skewed_date", seconds=-3600)
    assert http_get(sandbox).headers["Date"] == "Mon, 01 Jun 2026 11:00:00 GMT"


def test_every_kind_of_fault_has_a_test() -> None:
    here = Path(__file__)
    source = "".join(path.read_text(encoding="utf-8") for path in (here, *map(here.with_name, OTHERS)))
    assert not [kind for kind in KINDS if f'"{kind}"' not in source]
