"""The control routes drive and tell what the methods of a sandbox do."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support.sandboxes import HttpGet


@pytest.fixture
def control(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{sandbox.url}/_sandbox/") as client:
        yield client


def post(control: httpx.Client, path: str, body: Any = None) -> Any:
    answer = control.post(path, json=body or {})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_clock_is_set_advanced_frozen_and_let_go(sandbox: Sandbox, control: httpx.Client) -> None:
    assert post(control, "clock", {"set": "2026-07-01T00:00:00Z"}) == {"clock": "2026-07-01T00:00:00Z"}
    assert post(control, "clock", {"advance": 1.5}) == {"clock": "2026-07-01T00:00:01.500000Z"}
    post(control, "clock", {"real": True})
    assert not sandbox.clock.frozen
    post(control, "clock", {"freeze": True})
    assert sandbox.clock.frozen


@pytest.mark.parametrize("verb", ["move", "vanish", "appear", "restock"])
def test_a_market_verb_answers_what_it_touched(sandbox: Sandbox, control: httpx.Client, verb: str) -> None:
    touched = post(control, f"market/{verb}", {"quotes": 3, "provider": "steam", "seed": 1})["quotes"]
    assert [quote["provider"] for quote in touched] == ["steam"] * 3
    assert len({quote["item_id"] for quote in touched}) == 3
    now = {row["item_id"]: row["lowest_ask"] for row in sandbox.ledger(providers=["steam"]).to_dicts()}
    assert [now.get(quote["item_id"]) for quote in touched] == [quote["after"] for quote in touched]


def test_what_vanished_returns(sandbox: Sandbox, control: httpx.Client) -> None:
    before = sandbox.ledger()
    post(control, "market/vanish", {"quotes": 9})
    assert len(post(control, "market/return")["quotes"]) == 9
    assert_frame_equal(sandbox.ledger(), before)


def test_a_provider_goes_dark_and_comes_back(control: httpx.Client) -> None:
    post(control, "market/dark", {"provider": "steam", "dark": True})
    assert control.get("state").json()["dark"] == ["steam"]
    post(control, "market/dark", {"provider": "steam", "dark": False})
    assert control.get("state").json()["dark"] == []


def test_the_index_is_refreshed_on_request(make_sandbox: Callable[..., Sandbox]) -> None:
    box = make_sandbox(refresh=300)
    before = box.ledger()
    box.move(1)
    assert box.ledger().equals(before)
    with httpx.Client(base_url=f"{box.url}/_sandbox/") as control:
        post(control, "market/refresh")
    assert not box.ledger().equals(before)


def test_rates_are_set_and_drift(sandbox: Sandbox, control: httpx.Client) -> None:
    assert post(control, "fx", {"EUR": "0.91"})["EUR"] == "0.91"
    drifted = post(control, "fx", {"drift": True})
    assert drifted["EUR"] != "0.91"
    assert drifted["USD"] == "1"


def test_keys_are_added_limited_and_revoked(
    sandbox: Sandbox, control: httpx.Client, http_get: HttpGet
) -> None:
    post(control, "limits", {"enforced": True})
    post(control, "keys", {"key": "cs2c_live_other", "tier": "free", "month_left": 1})
    assert [http_get(sandbox, "/v1/fx", "cs2c_live_other").status_code for _ in range(2)] == [200, 429]
    post(control, "keys", {"key": VALID_KEY, "state": "revoked"})
    assert http_get(sandbox, "/v1/fx").json()["code"] == "AUTH_API_KEY_REVOKED"
    post(control, "keys", {"key": VALID_KEY, "state": "valid", "expires_at": "2026-06-01T11:59:59Z"})
    assert http_get(sandbox, "/v1/fx").json()["code"] == "AUTH_INVALID_API_KEY"


def test_stream_starts_and_windows_are_set(
    sandbox: Sandbox, control: httpx.Client, http_get: HttpGet
) -> None:
    told = post(control, "limits", {"enforced": True, "windows": "both"})
    assert told == {"enforced": True, "windows": "both"}
    assert control.get("state").json()["windows"] == "both"
    post(control, "keys", {"key": VALID_KEY, "streams_left": 1})
    bearer = {"Authorization": f"Bearer {VALID_KEY}"}
    assert [httpx.post(f"{sandbox.url}/v1/bids", headers=bearer).status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("bids", [False, True])
def test_a_stream_is_rendered_ahead(sandbox: Sandbox, control: httpx.Client, bids: bool) -> None:
    told = post(control, "render", {"bids": bids})
    assert told == {
        "rows": sandbox.ledger(bids=bids).height,
        "bytes": len(sandbox.render(bids=bids).body),
    }


def test_the_ledger_tells_bids(sandbox: Sandbox, control: httpx.Client) -> None:
    rows = pl.read_ndjson(
        io.BytesIO(control.get("ledger", params={"bids": 1}).content), infer_schema_length=None
    )
    expected = sandbox.ledger(bids=True)
    assert rows.columns == expected.columns
    assert rows["num_bids"].to_list() == expected["num_bids"].to_list()


def test_faults_are_set_one_or_many_and_cleared(
    sandbox: Sandbox, control: httpx.Client, http_get: HttpGet
) -> None:
    many = [{"kind": "html", "times": None}, {"kind": "latency", "seconds": 0, "path": "/v1/fx"}]
    assert post(control, "faults", many) == {"faults": 2}
    assert post(control, "faults", {"kind": "drop", "path": "/v1/items"}) == {"faults": 3}
    assert http_get(sandbox).headers["Content-Type"].startswith("text/html")
    assert control.delete("faults").status_code == 200
    assert http_get(sandbox).status_code == 200
    assert sandbox.faults.active == []


def test_the_ledger_is_told_now_and_then(sandbox: Sandbox, control: httpx.Client) -> None:
    before = sandbox.ledger(providers=["steam"], currency="EUR")
    sandbox.advance(60)
    sandbox.vanish(5, provider="steam")
    then = {"at": "2026-06-01T12:00:30Z", "provider": "steam", "currency": "EUR"}
    rows = pl.read_ndjson(io.BytesIO(control.get("ledger", params=then).content), infer_schema_length=None)
    assert rows.columns == before.columns
    assert rows["lowest_ask_decimal"].to_list() == before["lowest_ask_decimal"].to_list()
    assert control.get("ledger", params={"provider": "steam", "count": 1}).json() == {
        "count": before.height - 5
    }
    one = control.get("ledger", params={"item_id": [1, 2]}).text
    assert one.count("\n") == sandbox.ledger(item_ids=[1, 2]).height


def test_requests_are_told_with_a_label_and_never_a_key(
    sandbox: Sandbox, control: httpx.Client, http_get: HttpGet
) -> None:
    http_get(sandbox, limit=1, currency="EUR")
    http_get(sandbox, "/v1/fx", "cs2c_live_nobody")
    http_get(sandbox, "/v1/items", None)
    answer = control.get("requests", params={"since": 0})
    told = [
        (entry["n"], entry["path"], entry["query"], entry["status"], entry["code"]) for entry in answer.json()
    ]
    assert told == [
        (1, "/v1/prices", "limit=1&currency=EUR", 200, None),
        (2, "/v1/fx", "", 401, "AUTH_INVALID_API_KEY"),
        (3, "/v1/items", "", 401, "UNAUTHORIZED"),
    ]
    assert [entry["key"] for entry in answer.json()] == ["valid sandbox key", "body", None]
    assert "cs2c_live" not in answer.text
    assert [entry["n"] for entry in control.get("requests", params={"since": 2}).json()] == [3]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("market/move", {"quotes": 10**6}),
        ("market/move", {"quotes": 1, "provider": "nobody"}),
        ("market/move", {"cattle": 1}),
        ("market/dark", {}),
        ("fx", {"EUR": "much"}),
        ("fx", {"EUR": "-1"}),
        ("fx", {"USD": "2"}),
        ("keys", {"key": "x", "state": "lost"}),
        ("faults", {"kind": "earthquake"}),
        ("clock", {"set": "noon"}),
        ("limits", {"windows": "open"}),
    ],
)
def test_what_is_asked_wrongly_is_a_400_that_says_why(
    control: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    answer = control.post(path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
