"""The sandbox's rules: keys, tiers, limits and validation, as documented."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import DISABLED_KEY, REVOKED_KEY, TIERS, VALID_KEY
from tests.support.sandboxes import HttpGet

Make = Callable[..., Sandbox]


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
    ],
)
def test_a_bad_key_is_turned_down(
    sandbox: Sandbox, http_get: HttpGet, path: str, key: str | None, status: int, body: dict[str, str]
) -> None:
    sandbox.key("forbidden", "forbidden")
    sandbox.key("expired").expires_at = sandbox.clock.now()
    answer = http_get(sandbox, path, key)
    assert (answer.status_code, answer.json()) == (status, body)


@pytest.mark.parametrize("header", ["Token x", "Bearer", "Bearer x y", VALID_KEY])
def test_a_malformed_header_is_an_invalid_key(sandbox: Sandbox, header: str) -> None:
    answer = httpx.get(sandbox.url + "/v1/fx", headers={"Authorization": header})
    assert (answer.status_code, answer.json()["code"]) == (401, "AUTH_INVALID_API_KEY")


@pytest.mark.parametrize("tier", TIERS)
def test_a_tier_caps_the_page_and_gives_the_url(make_sandbox: Make, http_get: HttpGet, tier: str) -> None:
    box, cap = make_sandbox(tier=tier), TIERS[tier].page
    answer = http_get(box).json()
    assert answer["pagination"]["limit"] == len(answer["items"]) == cap
    assert ("url" in answer["items"][0]) == (tier in {"pro", "quant"})
    refused = http_get(box, limit=cap + 1)
    assert refused.status_code == 422
    assert refused.json() == {
        "code": "VALIDATION_ERROR",
        "detail": [
            {
                "type": "less_than_equal",
                "loc": ["query", "limit"],
                "msg": f"Input should be less than or equal to {cap}",
                "input": cap + 1,
                "ctx": {"le": cap},
            }
        ],
    }


@pytest.mark.parametrize(
    ("query", "kind", "place"),
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
def test_a_wrong_query_is_a_422(
    sandbox: Sandbox, http_get: HttpGet, query: dict[str, Any], kind: str, place: list[str | int]
) -> None:
    answer = http_get(sandbox, **query)
    assert answer.status_code == 422
    assert answer.json()["code"] == "VALIDATION_ERROR"
    assert [(error["type"], error["loc"]) for error in answer.json()["detail"]] == [(kind, place)]


@pytest.mark.parametrize("tier", ["free", "starter"])
def test_the_minute_is_limited(make_sandbox: Make, http_get: HttpGet, tier: str) -> None:
    box, cap = make_sandbox(tier=tier, limits=True), TIERS[tier].minute
    box.advance(45)
    assert {http_get(box, "/v1/fx").status_code for _ in range(cap)} == {200}
    refused = http_get(box, "/v1/account/key")
    assert refused.status_code == 429
    assert refused.json() == {"code": "RATE_LIMIT_EXCEEDED", "detail": "Too Many Requests"}
    assert refused.headers["Retry-After"] == "15"
    told = {name: refused.headers[f"X-RateLimit-{name}"] for name in ("Tier", "Limit", "Remaining", "Reset")}
    assert told == {"Tier": tier, "Limit": str(cap), "Remaining": "0", "Reset": "15"}
    box.advance(14)
    assert http_get(box, "/v1/fx").status_code == 429
    box.advance(1)
    assert http_get(box, "/v1/fx").status_code == 200


def test_a_sliding_minute_frees_one_request_at_a_time(make_sandbox: Make, http_get: HttpGet) -> None:
    box = make_sandbox(tier="free", limits=True, windows="sliding")
    for _ in range(20):
        assert http_get(box, "/v1/fx").status_code == 200
        box.advance(1)
    assert http_get(box, "/v1/fx").headers["Retry-After"] == "40"
    box.advance(40)
    assert [http_get(box, "/v1/fx").status_code for _ in range(2)] == [200, 429]


@pytest.mark.parametrize(
    ("windows", "statuses", "wait"),
    [("fixed", [200] * 20, 60), ("sliding", [200] * 5, 50), ("both", [200] * 5, 50)],
)
def test_the_windows_differ_at_the_turn_of_a_minute(
    make_sandbox: Make, http_get: HttpGet, windows: str, statuses: list[int], wait: int
) -> None:
    box = make_sandbox(tier="free", limits=True, windows=windows)
    box.advance(50)
    assert {http_get(box, "/v1/fx").status_code for _ in range(15)} == {200}
    box.advance(10)
    assert [http_get(box, "/v1/fx").status_code for _ in statuses] == statuses
    refused = http_get(box, "/v1/fx")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, str(wait))


def test_the_month_is_limited_and_the_account_is_free_of_it(make_sandbox: Make, http_get: HttpGet) -> None:
    box = make_sandbox(tier="free", limits=True)
    assert not any(name.startswith("x-ratelimit") for name in http_get(box, "/v1/fx").headers)
    box.keys.set_remaining(VALID_KEY, 2, box.clock.now())
    assert [http_get(box, "/v1/fx").headers["X-RateLimit-Remaining"] for _ in range(2)] == ["1", "0"]
    refused = http_get(box)
    assert refused.status_code == 429
    assert refused.json() == {
        "code": "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED",
        "detail": "Monthly quota exceeded (1000/1000 requests).",
    }
    assert refused.headers["X-RateLimit-Limit"] == "1000"
    assert http_get(box, "/v1/account/key").json()["requests_this_month"] == 1000
    box.advance(31 * 86_400)
    assert http_get(box).status_code == 200


def test_limits_can_be_lifted(sandbox: Sandbox, http_get: HttpGet) -> None:
    assert {http_get(sandbox, "/v1/fx").status_code for _ in range(120)} == {200}


def test_the_account_tells_the_limits_and_never_the_key(make_sandbox: Make, http_get: HttpGet) -> None:
    box = make_sandbox(tier="starter", limits=True)
    http_get(box)
    answer = http_get(box, "/v1/account/key")
    key = answer.json()["key"]
    assert answer.json()["requests_this_month"] == 1
    assert key["is_active"] is True
    assert key["effective_quota_requests_per_month"] == 50_000
    assert key["effective_rate_requests_per_minute"] == 40
    assert VALID_KEY not in answer.text
    assert VALID_KEY not in repr(box.key(VALID_KEY))


def test_lifted_limits_are_told_as_none(sandbox: Sandbox, http_get: HttpGet) -> None:
    key = http_get(sandbox, "/v1/account/key").json()["key"]
    assert key["effective_rate_requests_per_minute"] == key["effective_quota_requests_per_month"] == 0


def test_an_unknown_provider_is_a_404_without_a_code(sandbox: Sandbox, http_get: HttpGet) -> None:
    answer = http_get(sandbox, "/v1/providers", provider="nobody")
    assert (answer.status_code, answer.json()) == (404, {"detail": "Provider not found: nobody"})


@pytest.mark.parametrize("path", ["/v2/prices", "/v1/price", "/"])
def test_an_unknown_route_is_a_404(sandbox: Sandbox, http_get: HttpGet, path: str) -> None:
    assert http_get(sandbox, path).status_code == 404


def test_the_date_is_the_clock_of_the_sandbox(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.advance(3)
    assert http_get(sandbox).headers.get_list("Date") == ["Mon, 01 Jun 2026 12:00:03 GMT"]


def test_pages_are_compressed_for_who_takes_it(sandbox: Sandbox) -> None:
    key = {"Authorization": f"Bearer {VALID_KEY}"}
    packed = httpx.get(sandbox.url + "/v1/prices", headers={**key, "Accept-Encoding": "gzip"})
    plain = httpx.get(sandbox.url + "/v1/prices", headers={**key, "Accept-Encoding": "identity"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.content == plain.content
    assert packed.num_bytes_downloaded < plain.num_bytes_downloaded / 4
