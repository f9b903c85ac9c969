"""A key's reissue revokes it and its sub-keys at once; an answer may be lost; keys expire."""

from collections.abc import Callable, Iterator
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
from tests.support.sandboxes import HttpGet

Make = Callable[..., Sandbox]
REISSUE = "/v1/account/key/reissue"
SUB_KEYS = "/v1/account/sub-keys"


def post(
    box: Sandbox, path: str = REISSUE, key: str = VALID_KEY, body: dict[str, Any] | None = None
) -> httpx.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.post(box.url + path, headers=headers, json=body)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.fixture
def quant(make_sandbox: Make) -> Sandbox:
    return make_sandbox(tier="quant")


@pytest.fixture
def sub_keys(quant: Sandbox) -> Iterator[cs2cap.AccountAPIKeysApi]:
    configuration = cs2cap.Configuration(host=quant.url, access_token=VALID_KEY)
    with cs2cap.ApiClient(configuration) as api:
        yield cs2cap.AccountAPIKeysApi(api)


def test_a_reissue_answers_the_new_key_once_and_revokes_the_old_one(
    sandbox: Sandbox, http_get: HttpGet
) -> None:
    told = post(sandbox).json()
    new = told.pop("key")
    assert told == {
        "key_prefix": new[:10],
        "id": sandbox.key(new).id,
        "created_at": "2026-06-01T12:00:00Z",
        "message": "Store this key securely. It will not be shown again.",
    }
    assert code(http_get(sandbox, "/v1/fx")) == (401, "AUTH_API_KEY_REVOKED")
    assert code(post(sandbox)) == (401, "AUTH_API_KEY_REVOKED")
    account = http_get(sandbox, "/v1/account/key", new)
    assert account.json()["key"]["is_root_key"] is True
    assert new not in account.text


def test_what_the_account_has_used_is_not_forgotten(make_sandbox: Make, http_get: HttpGet) -> None:
    box = make_sandbox(tier="free", limits=True)
    box.keys.set_remaining(VALID_KEY, 1, box.clock.now())
    new = post(box).json()["key"]
    assert http_get(box, "/v1/account/key", new).json()["requests_this_month"] == 999
    assert [http_get(box, "/v1/fx", new).status_code for _ in range(2)] == [200, 429]


def test_a_reissue_is_a_post(sandbox: Sandbox, http_get: HttpGet) -> None:
    assert http_get(sandbox, REISSUE).status_code == 405
    assert http_get(sandbox).status_code == 200


def test_sub_keys_die_with_their_root(quant: Sandbox, http_get: HttpGet) -> None:
    children = [post(quant, SUB_KEYS, body={"name": f"bot {n}"}).json()["key"] for n in range(2)]
    assert [http_get(quant, "/v1/fx", child).status_code for child in children] == [200, 200]
    new = post(quant).json()["key"]
    for child in children:
        assert code(http_get(quant, "/v1/fx", child)) == (401, "AUTH_API_KEY_REVOKED")
    assert http_get(quant, SUB_KEYS, new).json()["keys"] == []


def test_a_sub_key_reads_prices_and_manages_nothing(quant: Sandbox, http_get: HttpGet) -> None:
    made = post(quant, SUB_KEYS, body={"name": "bot"}).json()
    assert made["key_info"]["is_root_key"] is False
    assert made["key_info"]["root_key_id"] == quant.key(VALID_KEY).id
    assert http_get(quant, "/v1/prices", made["key"]).status_code == 200
    assert code(post(quant, key=made["key"])) == (403, "FORBIDDEN")
    assert code(post(quant, SUB_KEYS, made["key"], {"name": "more"})) == (403, "FORBIDDEN")
    assert http_get(quant, "/v1/fx").status_code == 200


def test_only_the_largest_plan_has_sub_keys_and_25_of_them(make_sandbox: Make, quant: Sandbox) -> None:
    refused = post(make_sandbox(tier="pro"), SUB_KEYS, body={"name": "bot"})
    assert code(refused) == (403, "FORBIDDEN")
    statuses = [post(quant, SUB_KEYS, body={"name": "bot"}).status_code for _ in range(26)]
    assert statuses == [201] * 25 + [409]


@pytest.mark.parametrize(
    "body",
    [{"quota_requests_per_month_override": 5}, {"name": "x", "rate_requests_per_minute_override": 301}],
)
def test_a_wrong_sub_key_is_a_422(quant: Sandbox, body: dict[str, Any]) -> None:
    assert code(post(quant, SUB_KEYS, body=body)) == (422, "VALIDATION_ERROR")


def test_a_body_that_is_no_object_is_a_422(quant: Sandbox) -> None:
    assert code(post(quant, SUB_KEYS)) == (422, "VALIDATION_ERROR")


def test_a_cap_of_a_sub_key_holds(make_sandbox: Make, http_get: HttpGet) -> None:
    box = make_sandbox(tier="quant", limits=True)
    caps = {"quota_requests_per_month_override": 3, "rate_requests_per_minute_override": 2}
    child = post(box, SUB_KEYS, body={"name": "bot", **caps}).json()["key"]
    statuses = [http_get(box, "/v1/fx", child) for _ in range(3)]
    assert [answer.status_code for answer in statuses] == [200, 200, 429]
    assert statuses[2].json()["code"] == "RATE_LIMIT_EXCEEDED"
    box.advance(60)
    assert http_get(box, "/v1/fx", child).headers["X-RateLimit-Limit"] == "3"
    assert http_get(box, "/v1/fx", child).json()["code"] == "RATE_LIMIT_MONTHLY_QUOTA_EXCEEDED"


def test_the_vendors_client_manages_sub_keys(
    quant: Sandbox, http_get: HttpGet, sub_keys: cs2cap.AccountAPIKeysApi
) -> None:
    made = sub_keys.create_sub_key(ChildAPIKeyCreateRequest(name="bot", rate_requests_per_minute_override=9))
    key_id = UUID(made.key_info.id)
    assert sub_keys.list_sub_keys().keys[0].key.name == "bot"
    assert sub_keys.get_sub_key(key_id).key.effective_rate_requests_per_minute == 0  # limits are off
    changed = sub_keys.update_sub_key(key_id, ChildAPIKeyUpdateRequest(name="bot 2"))
    assert (changed.key.name, changed.key.rate_requests_per_minute_override) == ("bot 2", 9)
    again = sub_keys.reissue_sub_key(key_id)
    assert code(http_get(quant, "/v1/fx", made.key)) == (401, "AUTH_API_KEY_REVOKED")
    assert http_get(quant, "/v1/fx", again.key).status_code == 200
    assert (again.key_info.name, again.key_info.rate_requests_per_minute_override) == ("bot 2", 9)
    sub_keys.delete_sub_key(UUID(again.key_info.id))
    assert code(http_get(quant, "/v1/fx", again.key)) == (401, "AUTH_API_KEY_REVOKED")
    assert http_get(quant, f"{SUB_KEYS}/{uuid4()}").status_code == 404


@pytest.mark.parametrize(("fault", "effect"), [("lost_answer", True), ("drop", False)])
def test_an_answer_is_lost_after_its_effect_or_before_it(
    sandbox: Sandbox, http_get: HttpGet, fault: str, effect: bool
) -> None:
    control = httpx.post(f"{sandbox.url}/_sandbox/faults", json={"kind": fault, "path": REISSUE})
    assert control.status_code == 200
    with pytest.raises(httpx.RemoteProtocolError):
        post(sandbox)
    assert http_get(sandbox, "/v1/fx").status_code == (401 if effect else 200)


def test_a_key_expires_at_its_moment(sandbox: Sandbox, http_get: HttpGet) -> None:
    expiry = sandbox.clock.now() + timedelta(days=3)
    set_to = {"key": VALID_KEY, "expires_at": expiry.isoformat()}
    assert httpx.post(f"{sandbox.url}/_sandbox/keys", json=set_to).status_code == 200
    assert http_get(sandbox, "/v1/account/key").json()["key"]["expires_at"] == "2026-06-04T12:00:00Z"
    sandbox.advance(3 * 86_400 - 1)
    assert http_get(sandbox, "/v1/fx").status_code == 200
    sandbox.advance(1)
    assert code(http_get(sandbox, "/v1/fx")) == (401, "AUTH_INVALID_API_KEY")


def test_a_reissued_key_does_not_expire(sandbox: Sandbox, http_get: HttpGet) -> None:
    sandbox.key(VALID_KEY).expires_at = sandbox.clock.now() + timedelta(days=1)
    new = post(sandbox).json()["key"]
    assert http_get(sandbox, "/v1/account/key", new).json()["key"]["expires_at"] is None
