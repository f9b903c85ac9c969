"""A reissue revokes the key and its sub-keys at once; a response can be lost; keys expire."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import cs2cap
import httpx
import pytest
from cs2cap.models.child_api_key_create_request import ChildAPIKeyCreateRequest
from cs2cap.models.child_api_key_update_request import ChildAPIKeyUpdateRequest

from sandbox.core import Sandbox
from sandbox.cs2cap.keys import VALID_KEY
from tests.support import patient
from tests.support.sandboxes import HttpGet, MakeSandbox

REISSUE = "/v1/account/key/reissue"
SUB_KEYS = "/v1/account/sub-keys"


def post(
    sandbox: Sandbox, path: str = REISSUE, key: str = VALID_KEY, body: dict[str, Any] | None = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return patient.post(sandbox.url + path, headers=headers, json=body)


def status_and_code(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.fixture
def quant(make_sandbox: MakeSandbox) -> Sandbox:
    return make_sandbox(tier="quant")


@pytest.fixture
def sub_keys(quant: Sandbox) -> Iterator[cs2cap.AccountAPIKeysApi]:
    configuration = cs2cap.Configuration(host=quant.url, access_token=VALID_KEY)
    with cs2cap.ApiClient(configuration) as api:
        yield cs2cap.AccountAPIKeysApi(api)


def test_reissue_returns_the_new_key_once_and_revokes_the_old_one(
    sandbox: Sandbox, http_get: HttpGet
) -> None:
    body = post(sandbox).json()
    new = body.pop("key")
    assert body == {
        "key_prefix": new[:10],
        "id": sandbox.key(new).id,
        "created_at": "2026-06-01T12:00:00Z",
        "message": "Store this key securely. It will not be shown again.",
    }
    assert status_and_code(http_get(sandbox, "/v1/fx")) == (401, "AUTH_API_KEY_REVOKED")
    assert status_and_code(post(sandbox)) == (401, "AUTH_API_KEY_REVOKED")
    account = http_get(sandbox, "/v1/account/key", new)
    assert account.json()["key"]["is_root_key"] is True
    assert new not in account.text


def test_reissue_keeps_the_usage_of_the_account(make_sandbox: MakeSandbox, http_get: HttpGet) -> None:
    sandbox = make_sandbox(tier="free", limits=True)
    sandbox.keys.set_remaining(VALID_KEY, 1, sandbox.clock.now())
    new = post(sandbox).json()["key"]
    assert http_get(sandbox, "/v1/account/key", new).json()["requests_this_month"] == 999
    assert [http_get(sandbox, "/v1/fx", new).status_code for _ in range(2)] == [200, 429]


def test_account_without_a_verified_address_gets_no_new_key(quant: Sandbox, http_get: HttpGet) -> None:
    child = post(quant, SUB_KEYS, body={"name": "bot"}).json()["key_info"]["id"]
    control = patient.post(f"{quant.url}/_sandbox/keys", json={"key": VALID_KEY, "state": "unverified"})
    assert control.status_code == 200
    for path in (REISSUE, SUB_KEYS, f"{SUB_KEYS}/{child}/reissue"):
        assert status_and_code(post(quant, path, body={"name": "x"})) == (403, "EMAIL_NOT_VERIFIED")
    assert http_get(quant, "/v1/fx").status_code == 200
    assert http_get(quant, "/v1/account/key").json()["key"]["is_active"] is True


def test_reissue_requires_post(sandbox: Sandbox, http_get: HttpGet) -> None:
    assert http_get(sandbox, REISSUE).status_code == 405
    assert http_get(sandbox).status_code == 200


def test_sub_keys_are_revoked_with_their_root(quant: Sandbox, http_get: HttpGet) -> None:
    children = [post(quant, SUB_KEYS, body={"name": f"bot {n}"}).json()["key"] for n in range(2)]
    assert [http_get(quant, "/v1/fx", child).status_code for child in children] == [200, 200]
    new = post(quant).json()["key"]
    for child in children:
        assert status_and_code(http_get(quant, "/v1/fx", child)) == (401, "AUTH_API_KEY_REVOKED")
    assert http_get(quant, SUB_KEYS, new).json()["keys"] == []


def test_sub_key_reads_prices_and_manages_no_keys(quant: Sandbox, http_get: HttpGet) -> None:
    created = post(quant, SUB_KEYS, body={"name": "bot"}).json()
    assert created["key_info"]["is_root_key"] is False
    assert created["key_info"]["root_key_id"] == quant.key(VALID_KEY).id
    assert http_get(quant, "/v1/prices", created["key"]).status_code == 200
    assert status_and_code(post(quant, key=created["key"])) == (403, "FORBIDDEN")
    assert status_and_code(post(quant, SUB_KEYS, created["key"], {"name": "more"})) == (403, "FORBIDDEN")
    assert http_get(quant, "/v1/fx").status_code == 200


def test_only_the_largest_plan_has_sub_keys_at_most_25(make_sandbox: MakeSandbox, quant: Sandbox) -> None:
    refused = post(make_sandbox(tier="pro"), SUB_KEYS, body={"name": "bot"})
    assert status_and_code(refused) == (403, "FORBIDDEN")
    statuses = [post(quant, SUB_KEYS, body={"name": "bot"}).status_code for _ in range(26)]
    assert statuses == [201] * 25 + [409]


@pytest.mark.parametrize(
    "body",
    [
        {"quota_requests_per_month_override": 5},
        {"name": "x", "rate_requests_per_minute_override": 301},
        {"name": "x", "rate_requests_per_minute_override": 1.5},
        {"name": "x", "rate_requests_per_minute_override": True},
        {"name": ""},
        {"name": "x" * 101},
        {"name": 5},
        {"name": None},
    ],
)
def test_wrong_sub_key_is_a_422(quant: Sandbox, body: dict[str, Any]) -> None:
    assert status_and_code(post(quant, SUB_KEYS, body=body)) == (422, "VALIDATION_ERROR")


def test_sub_key_keeps_its_name_where_a_change_is_wrong(quant: Sandbox) -> None:
    created = post(quant, SUB_KEYS, body={"name": "bot", "rate_requests_per_minute_override": 9.0}).json()
    assert created["key_info"]["rate_requests_per_minute_override"] == 9
    url = f"{quant.url}{SUB_KEYS}/{created['key_info']['id']}"
    headers = {"Authorization": f"Bearer {VALID_KEY}"}
    for change in ({"name": ""}, {"name": "new", "rate_requests_per_minute_override": 0}):
        assert status_and_code(httpx.patch(url, json=change, headers=headers)) == (422, "VALIDATION_ERROR")
    assert patient.get(url, headers=headers).json()["key"]["name"] == "bot"


def test_body_that_is_not_an_object_is_a_422(quant: Sandbox) -> None:
    assert status_and_code(post(quant, SUB_KEYS)) == (422, "VALIDATION_ERROR")


def test_caps_of_a_sub_key_are_enforced(make_sandbox: MakeSandbox, http_get: HttpGet) -> None:
    sandbox = make_sandbox(tier="quant", limits=True)
    caps = {"quota_requests_per_month_override": 3, "rate_requests_per_minute_override": 2}
    child = post(sandbox, SUB_KEYS, body={"name": "bot", **caps}).json()["key"]
    statuses = [http_get(sandbox, "/v1/fx", child) for _ in range(3)]
    assert [response.status_code for response in statuses] == [200, 200, 429]
    assert statuses[2].json()["code"] == "RATE_LIMIT_EXCEEDED"
    sandbox.advance(60)
    assert http_get(sandbox, "/v1/fx", child).headers["X-RateLimit-Limit"] == "3"
    assert http_get(sandbox, "/v1/fx", child).json()["code"] == "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED"


def test_vendor_client_manages_sub_keys(
    quant: Sandbox, http_get: HttpGet, sub_keys: cs2cap.AccountAPIKeysApi
) -> None:
    created = sub_keys.create_sub_key(
        ChildAPIKeyCreateRequest(name="bot", rate_requests_per_minute_override=9)
    )
    key_id = UUID(created.key_info.id)
    assert sub_keys.list_sub_keys().keys[0].key.name == "bot"
    assert sub_keys.get_sub_key(key_id).key.rate_requests_per_minute_override == 9
    updated = sub_keys.update_sub_key(key_id, ChildAPIKeyUpdateRequest(name="bot 2"))
    assert (updated.key.name, updated.key.rate_requests_per_minute_override) == ("bot 2", 9)
    reissued = sub_keys.reissue_sub_key(key_id)
    assert status_and_code(http_get(quant, "/v1/fx", created.key)) == (401, "AUTH_API_KEY_REVOKED")
    assert http_get(quant, "/v1/fx", reissued.key).status_code == 200
    assert (reissued.key_info.name, reissued.key_info.rate_requests_per_minute_override) == ("bot 2", 9)
    sub_keys.delete_sub_key(UUID(reissued.key_info.id))
    assert status_and_code(http_get(quant, "/v1/fx", reissued.key)) == (401, "AUTH_API_KEY_REVOKED")
    assert http_get(quant, f"{SUB_KEYS}/{uuid4()}").status_code == 404


@pytest.mark.parametrize(("fault", "has_effect"), [("lost_answer", True), ("drop", False)])
def test_response_is_lost_after_its_effect_or_before_it(
    sandbox: Sandbox, http_get: HttpGet, fault: str, has_effect: bool
) -> None:
    control = patient.post(f"{sandbox.url}/_sandbox/faults", json={"kind": fault, "path": REISSUE})
    assert control.status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        post(sandbox)
    assert http_get(sandbox, "/v1/fx").status_code == (401 if has_effect else 200)


def test_key_expires_at_its_time(sandbox: Sandbox, http_get: HttpGet) -> None:
    expiry = sandbox.clock.now() + timedelta(days=3)
    change = {"key": VALID_KEY, "expires_at": expiry.isoformat()}
    assert patient.post(f"{sandbox.url}/_sandbox/keys", json=change).status_code == 200
    assert http_get(sandbox, "/v1/account/key").json()["key"]["expires_at"] == "2026-06-04T12:00:00Z"
    sandbox.advance(3 * 86_400 - 1)
    assert http_get(sandbox, "/v1/fx").status_code == 200
    sandbox.advance(1)
    assert status_and_code(http_get(sandbox, "/v1/fx")) == (401, "AUTH_INVALID_API_KEY")


def test_reissued_key_does_not_expire(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.key(VALID_KEY).expires_at = sandbox.clock.now() + timedelta(days=1)
    new = post(sandbox).json()["key"]
    assert http_get(sandbox, "/v1/account/key", new).json()["key"]["expires_at"] is None
