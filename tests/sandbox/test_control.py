"""The control routes do and return what the methods of a sandbox do."""

import io
from collections.abc import Iterator
from typing import Any

import httpx
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support import patient
from tests.support.sandboxes import HttpGet, MakeSandbox


@pytest.fixture
def control(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with patient.Client(base_url=f"{sandbox.url}/_sandbox/") as client:
        yield client


def post(control: httpx.Client, path: str, body: Any = None) -> Any:
    response = control.post(path, json=body or {})
    assert response.status_code == 200, response.text
    return response.json()


def test_clock_can_be_set_advanced_frozen_and_made_real(sandbox: Sandbox, control: httpx.Client) -> None:
    assert post(control, "clock", {"set": "2026-07-01T00:00:00Z"}) == {"clock": "2026-07-01T00:00:00Z"}
    assert post(control, "clock", {"advance": 1.5}) == {"clock": "2026-07-01T00:00:01.500000Z"}
    post(control, "clock", {"real": True})
    assert not sandbox.clock.frozen
    post(control, "clock", {"freeze": True})
    assert sandbox.clock.frozen


@pytest.mark.parametrize("command", ["move", "vanish", "appear", "restock"])
def test_market_command_returns_the_changed_quotes(
    sandbox: Sandbox, control: httpx.Client, command: str
) -> None:
    changes = post(control, f"market/{command}", {"quotes": 3, "provider": "steam", "seed": 1})["quotes"]
    assert [quote["provider"] for quote in changes] == ["steam"] * 3
    assert len({quote["item_id"] for quote in changes}) == 3
    prices = {row["item_id"]: row["lowest_ask"] for row in sandbox.ledger(providers=["steam"]).to_dicts()}
    assert [prices.get(quote["item_id"]) for quote in changes] == [quote["after"] for quote in changes]


def test_vanished_quotes_return(sandbox: Sandbox, control: httpx.Client) -> None:
    before = sandbox.ledger()
    post(control, "market/vanish", {"quotes": 9})
    assert len(post(control, "market/return")["quotes"]) == 9
    assert_frame_equal(sandbox.ledger(), before)


def test_provider_goes_dark_and_is_served_again(control: httpx.Client) -> None:
    post(control, "market/dark", {"provider": "steam", "dark": True})
    assert control.get("state").json()["dark"] == ["steam"]
    post(control, "market/dark", {"provider": "steam", "dark": False})
    assert control.get("state").json()["dark"] == []


def test_index_is_refreshed_on_request(make_sandbox: MakeSandbox) -> None:
    sandbox = make_sandbox(refresh=300)
    before = sandbox.ledger()
    sandbox.move(1)
    assert sandbox.ledger().equals(before)
    with patient.Client(base_url=f"{sandbox.url}/_sandbox/") as control:
        post(control, "market/refresh")
    assert not sandbox.ledger().equals(before)


def test_rates_can_be_set_and_drift(sandbox: Sandbox, control: httpx.Client) -> None:
    assert post(control, "fx", {"EUR": "0.91"})["EUR"] == "0.91"
    drifted = post(control, "fx", {"drift": True})
    assert drifted["EUR"] != "0.91"
    assert drifted["USD"] == "1"


def test_keys_can_be_added_limited_and_revoked(
    sandbox: Sandbox, control: httpx.Client, http_get: HttpGet
) -> None:
    post(control, "limits", {"enforced": True})
    post(control, "keys", {"key": "cs2c_live_other", "tier": "free", "month_left": 1})
    assert [http_get(sandbox, "/v1/fx", "cs2c_live_other").status_code for _ in range(2)] == [200, 429]
    post(control, "keys", {"key": VALID_KEY, "state": "revoked"})
    assert http_get(sandbox, "/v1/fx").json()["code"] == "AUTH_API_KEY_REVOKED"
    post(control, "keys", {"key": VALID_KEY, "state": "valid", "expires_at": "2026-06-01T11:59:59Z"})
    assert http_get(sandbox, "/v1/fx").json()["code"] == "AUTH_INVALID_API_KEY"


def test_stream_starts_and_windows_can_be_set(
    sandbox: Sandbox, control: httpx.Client, http_get: HttpGet
) -> None:
    reported = post(control, "limits", {"enforced": True, "windows": "both"})
    assert reported == {"enforced": True, "windows": "both"}
    assert control.get("state").json()["windows"] == "both"
    post(control, "keys", {"key": VALID_KEY, "streams_left": 1})
    bearer = {"Authorization": f"Bearer {VALID_KEY}"}
    assert [patient.post(f"{sandbox.url}/v1/bids", headers=bearer).status_code for _ in range(2)] == [
        200,
        429,
    ]


@pytest.mark.parametrize("bids", [False, True])
def test_stream_is_rendered_in_advance(sandbox: Sandbox, control: httpx.Client, bids: bool) -> None:
    reported = post(control, "render", {"bids": bids})
    assert reported == {
        "rows": sandbox.ledger(bids=bids).height,
        "bytes": len(sandbox.render(bids=bids).body),
    }


def test_ledger_returns_bids(sandbox: Sandbox, control: httpx.Client) -> None:
    rows = pl.read_ndjson(
        io.BytesIO(control.get("ledger", params={"bids": 1}).content), infer_schema_length=None
    )
    expected = sandbox.ledger(bids=True)
    assert rows.columns == expected.columns
    assert rows["num_bids"].to_list() == expected["num_bids"].to_list()


def test_one_or_many_faults_can_be_added_and_cleared(
    sandbox: Sandbox, control: httpx.Client, http_get: HttpGet
) -> None:
    faults = [{"kind": "html", "times": None}, {"kind": "latency", "seconds": 0, "path": "/v1/fx"}]
    assert post(control, "faults", faults) == {"faults": 2}
    assert post(control, "faults", {"kind": "drop", "path": "/v1/items"}) == {"faults": 3}
    assert http_get(sandbox).headers["Content-Type"].startswith("text/html")
    assert control.delete("faults").status_code == 200
    assert http_get(sandbox).status_code == 200
    assert sandbox.faults.active == []


def test_ledger_returns_present_and_past_quotes(sandbox: Sandbox, control: httpx.Client) -> None:
    before = sandbox.ledger(providers=["steam"], currency="EUR")
    sandbox.advance(60)
    sandbox.vanish(5, provider="steam")
    query = {"at": "2026-06-01T12:00:30Z", "provider": "steam", "currency": "EUR"}
    rows = pl.read_ndjson(io.BytesIO(control.get("ledger", params=query).content), infer_schema_length=None)
    assert rows.columns == before.columns
    assert rows["lowest_ask_decimal"].to_list() == before["lowest_ask_decimal"].to_list()
    assert control.get("ledger", params={"provider": "steam", "count": 1}).json() == {
        "count": before.height - 5
    }
    rows_of_two = control.get("ledger", params={"item_id": [1, 2]}).text
    assert rows_of_two.count("\n") == sandbox.ledger(item_ids=[1, 2]).height


def test_request_log_has_labels_and_no_keys(
    sandbox: Sandbox, control: httpx.Client, http_get: HttpGet
) -> None:
    http_get(sandbox, limit=1, currency="EUR")
    http_get(sandbox, "/v1/fx", "cs2c_live_nobody")
    http_get(sandbox, "/v1/items", None)
    response = control.get("requests", params={"since": 0})
    reported = [
        (entry["n"], entry["path"], entry["query"], entry["status"], entry["code"])
        for entry in response.json()
    ]
    assert reported == [
        (1, "/v1/prices", "limit=1&currency=EUR", 200, None),
        (2, "/v1/fx", "", 401, "AUTH_INVALID_API_KEY"),
        (3, "/v1/items", "", 401, "UNAUTHORIZED"),
    ]
    assert [entry["key"] for entry in response.json()] == ["valid sandbox key", "body", None]
    assert "cs2c_live" not in response.text
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
def test_wrong_control_request_is_a_400_with_a_reason(
    control: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    response = control.post(path, json=body)
    assert response.status_code == 400
    assert response.json()["error"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://page.example"}, 403),  # new
        ({"Origin": "null"}, 403),  # new
        ({"Host": "rebound.example"}, 400),  # new
        ({"Host": "localhost:1"}, 200),  # a guard
        ({}, 200),  # a guard
    ],
)
@pytest.mark.parametrize("path", ["/_sandbox/ledger", "/v1/providers"])
def test_no_web_page_and_no_rebound_name_reaches_a_sandbox(
    sandbox: Sandbox, path: str, headers: dict[str, str], status: int
) -> None:
    key = {"Authorization": f"Bearer {VALID_KEY}"}
    assert patient.get(sandbox.url + path, headers={**key, **headers}).status_code == status
