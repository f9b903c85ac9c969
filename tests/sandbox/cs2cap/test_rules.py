"""Keys, tiers, limits and validation follow the documented rules."""

from typing import Any

import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import DISABLED_KEY, REVOKED_KEY, TIERS, UNLIMITED, VALID_KEY
from tests.support import patient
from tests.support.sandboxes import HttpGet, MakeSandbox


@pytest.mark.parametrize(
    ("key", "status", "body"),
    [
        (None, 401, {"code": "UNAUTHORIZED", "detail": "Missing Authorization header"}),
        ("cs2c_live_nobody", 401, {"code": "AUTH_INVALID_API_KEY", "detail": "Invalid API key"}),
        (REVOKED_KEY, 401, {"code": "AUTH_API_KEY_REVOKED", "detail": "API key has been revoked"}),
        (DISABLED_KEY, 403, {"code": "AUTH_ACCOUNT_DISABLED", "detail": "Account is disabled"}),
        ("forbidden", 403, {"code": "FORBIDDEN", "detail": "Account is disabled"}),
        ("expired", 401, {"code": "AUTH_INVALID_API_KEY", "detail": "Invalid API key"}),
    ],
    ids=["missing", "unknown", "revoked", "disabled", "forbidden", "expired"],
)
@pytest.mark.parametrize(
    "path",
    [
        "/v1/prices",
        "/v1/bids",
        "/v1/items",
        "/v1/providers",
        "/v1/fx",
        "/v1/account/key",
        "/v1/prices/history",
        "/v1/prices/candles",
        "/v1/sales",
        "/v1/market/history/chart",
        "/v1/market/items",
    ],
)
def test_invalid_key_is_refused(
    sandbox: Sandbox, http_get: HttpGet, path: str, key: str | None, status: int, body: dict[str, str]
) -> None:
    sandbox.key("forbidden", "forbidden")
    sandbox.key("expired").expires_at = sandbox.clock.now()
    response = http_get(sandbox, path, key)
    assert (response.status_code, response.json()) == (status, body)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/prices", "GET, POST"),
        ("POST", "/v1/fx", "GET"),
        ("GET", "/v1/bids/batch", "POST"),
        ("DELETE", "/v1/account/sub-keys", "GET, POST"),
        ("POST", "/v1/account/sub-keys/x", "DELETE, GET, PATCH"),
    ],
)
def test_wrong_method_is_told_the_right_ones(sandbox: Sandbox, method: str, path: str, allowed: str) -> None:
    response = patient.request(method, sandbox.url + path, headers={"Authorization": f"Bearer {VALID_KEY}"})
    assert (response.status_code, response.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/v1/prices", "/v1/items", "/v1/prices/history", "/v1/sales"])
def test_422_names_the_tier(sandbox: Sandbox, http_get: HttpGet, path: str) -> None:
    response = http_get(sandbox, path, item_id="x")
    assert (response.status_code, response.headers["X-RateLimit-Tier"]) == (422, "pro")
    assert "X-RateLimit-Tier" not in http_get(sandbox, "/v1/providers", provider="nobody").headers


@pytest.mark.parametrize("header", ["Token x", "Bearer", "Bearer x y", VALID_KEY])
def test_malformed_header_is_an_invalid_key(sandbox: Sandbox, header: str) -> None:
    response = patient.get(sandbox.url + "/v1/fx", headers={"Authorization": header})
    assert (response.status_code, response.json()["code"]) == (401, "AUTH_INVALID_API_KEY")


@pytest.mark.parametrize("tier", TIERS)
def test_tier_limits_the_page_and_decides_on_the_url(
    make_sandbox: MakeSandbox, http_get: HttpGet, tier: str
) -> None:
    sandbox, limit = make_sandbox(tier=tier), TIERS[tier].page
    response = http_get(sandbox).json()
    assert response["pagination"]["limit"] == len(response["items"]) == limit
    assert ("url" in response["items"][0]) == (tier in {"pro", "quant"})
    refused = http_get(sandbox, limit=limit + 1)
    assert refused.status_code == 422
    assert refused.json() == {
        "code": "VALIDATION_ERROR",
        "detail": [
            {
                "type": "less_than_equal",
                "loc": ["query", "limit"],
                "msg": f"Input should be less than or equal to {limit}",
                "input": limit + 1,
                "ctx": {"le": limit},
            }
        ],
    }


@pytest.mark.parametrize(
    ("query", "error_type", "location"),
    [
        ({"providers": "nobody"}, "enum", ["query", "providers", 0]),
        ({"providers": ["steam", "steam,skinport"]}, "enum", ["query", "providers", 1]),
        ({"currency": "ZZZ"}, "value_error", ["query", "currency"]),
        ({"currency": "usd"}, "value_error", ["query", "currency"]),
        ({"currency": ""}, "value_error", ["query", "currency"]),
        ({"phase": "Phase 9"}, "enum", ["query", "phase"]),
        ({"offset": -1}, "greater_than_equal", ["query", "offset"]),
        ({"limit": 0}, "greater_than_equal", ["query", "limit"]),
        ({"limit": "many"}, "int_parsing", ["query", "limit"]),
        ({"item_id": "AK"}, "int_parsing", ["query", "item_id"]),
    ],
)
def test_wrong_query_is_a_422(
    sandbox: Sandbox, http_get: HttpGet, query: dict[str, Any], error_type: str, location: list[str | int]
) -> None:
    response = http_get(sandbox, **query)
    assert response.status_code == 422
    assert response.json()["code"] == "VALIDATION_ERROR"
    assert [(error["type"], error["loc"]) for error in response.json()["detail"]] == [(error_type, location)]


@pytest.mark.parametrize("tier", ["free", "starter"])
def test_requests_per_minute_are_limited(make_sandbox: MakeSandbox, http_get: HttpGet, tier: str) -> None:
    sandbox, limit = make_sandbox(tier=tier, limits=True), TIERS[tier].minute
    sandbox.advance(45)
    assert {http_get(sandbox, "/v1/fx").status_code for _ in range(limit)} == {200}
    refused = http_get(sandbox, "/v1/account/key")
    assert refused.status_code == 429
    assert refused.json() == {"code": "RATE_LIMIT_EXCEEDED", "detail": "Too Many Requests"}
    assert refused.headers["Retry-After"] == "15"
    headers = {
        name: refused.headers[f"X-RateLimit-{name}"] for name in ("Tier", "Limit", "Remaining", "Reset")
    }
    assert headers == {"Tier": tier, "Limit": str(limit), "Remaining": "0", "Reset": "15"}
    sandbox.advance(14)
    assert http_get(sandbox, "/v1/fx").status_code == 429
    sandbox.advance(1)
    assert http_get(sandbox, "/v1/fx").status_code == 200


def test_sliding_window_frees_one_request_at_a_time(make_sandbox: MakeSandbox, http_get: HttpGet) -> None:
    sandbox = make_sandbox(tier="free", limits=True, windows="sliding")
    for _ in range(20):
        assert http_get(sandbox, "/v1/fx").status_code == 200
        sandbox.advance(1)
    assert http_get(sandbox, "/v1/fx").headers["Retry-After"] == "40"
    sandbox.advance(40)
    assert [http_get(sandbox, "/v1/fx").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    ("windows", "statuses", "wait"),
    [("fixed", [200] * 20, 60), ("sliding", [200] * 5, 50), ("both", [200] * 5, 50)],
)
def test_windows_differ_at_the_start_of_a_minute(
    make_sandbox: MakeSandbox, http_get: HttpGet, windows: str, statuses: list[int], wait: int
) -> None:
    sandbox = make_sandbox(tier="free", limits=True, windows=windows)
    sandbox.advance(50)
    assert {http_get(sandbox, "/v1/fx").status_code for _ in range(15)} == {200}
    sandbox.advance(10)
    assert [http_get(sandbox, "/v1/fx").status_code for _ in statuses] == statuses
    refused = http_get(sandbox, "/v1/fx")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(wait))


def test_requests_per_month_are_limited_without_those_of_the_account(
    make_sandbox: MakeSandbox, http_get: HttpGet
) -> None:
    sandbox = make_sandbox(tier="free", limits=True)
    assert not any(name.startswith("x-ratelimit") for name in http_get(sandbox, "/v1/fx").headers)
    sandbox.keys.set_remaining(VALID_KEY, 2, sandbox.clock.now())
    assert [http_get(sandbox, "/v1/fx").headers["X-RateLimit-Remaining"] for _ in range(2)] == ["1", "0"]
    refused = http_get(sandbox)
    assert refused.status_code == 429
    assert refused.json() == {
        "code": "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED",
        "detail": "Monthly quota exceeded (1000/1000 requests).",
    }
    assert refused.headers["X-RateLimit-Limit"] == "1000"
    assert http_get(sandbox, "/v1/account/key").json()["requests_this_month"] == 1000
    sandbox.advance(31 * 86_400)
    assert http_get(sandbox).status_code == 200


def test_limits_can_be_disabled(sandbox: Sandbox, http_get: HttpGet) -> None:
    assert {http_get(sandbox, "/v1/fx").status_code for _ in range(120)} == {200}


def test_account_has_the_limits_and_never_the_key(make_sandbox: MakeSandbox, http_get: HttpGet) -> None:
    sandbox = make_sandbox(tier="starter", limits=True)
    http_get(sandbox)
    response = http_get(sandbox, "/v1/account/key")
    key = response.json()["key"]
    assert response.json()["requests_this_month"] == 1
    assert key["is_active"] is True
    assert key["effective_quota_requests_per_month"] == 50_000
    assert key["effective_rate_requests_per_minute"] == 40
    assert VALID_KEY not in response.text
    assert VALID_KEY not in repr(sandbox.key(VALID_KEY))


def test_disabled_limits_are_reported_as_out_of_reach(sandbox: Sandbox, http_get: HttpGet) -> None:
    response = http_get(sandbox, "/v1/account/key")
    key = response.json()["key"]
    limits = (key["effective_quota_requests_per_month"], key["effective_rate_requests_per_minute"])
    assert limits == UNLIMITED
    assert response.headers["X-RateLimit-Tier"] == "pro"
    assert "X-RateLimit-Tier" not in http_get(sandbox).headers


@pytest.mark.parametrize("limits", [True, False])
def test_account_that_tells_no_limits(make_sandbox: MakeSandbox, http_get: HttpGet, limits: bool) -> None:
    sandbox = make_sandbox(limits=limits)
    change = {"key": VALID_KEY, "limits_reported": False}
    assert patient.post(f"{sandbox.url}/_sandbox/keys", json=change).status_code == 200
    response = http_get(sandbox, "/v1/account/key")
    key = response.json()["key"]
    assert key["effective_rate_requests_per_minute"] == key["effective_quota_requests_per_month"] == 0
    assert "X-RateLimit-Tier" not in response.headers


def test_unknown_provider_is_a_404_without_a_code(sandbox: Sandbox, http_get: HttpGet) -> None:
    response = http_get(sandbox, "/v1/providers", provider="nobody")
    assert (response.status_code, response.json()) == (404, {"detail": "Provider not found: nobody"})


@pytest.mark.parametrize("path", ["/v2/prices", "/v1/price", "//"])
def test_unknown_route_is_a_404(sandbox: Sandbox, http_get: HttpGet, path: str) -> None:
    assert http_get(sandbox, path).status_code == 404


def test_date_is_that_of_the_sandbox_clock(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.advance(3)
    assert http_get(sandbox).headers.get_list("Date") == ["Mon, 01 Jun 2026 12:00:03 GMT"]


def test_pages_are_compressed_for_clients_that_accept_gzip(sandbox: Sandbox) -> None:
    key = {"Authorization": f"Bearer {VALID_KEY}"}
    compressed = patient.get(sandbox.url + "/v1/prices", headers={**key, "Accept-Encoding": "gzip"})
    plain = patient.get(sandbox.url + "/v1/prices", headers={**key, "Accept-Encoding": "identity"})
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert compressed.content == plain.content
    assert compressed.num_bytes_downloaded < plain.num_bytes_downloaded / 4
