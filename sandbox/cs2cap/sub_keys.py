"""The account's key routes: what a key may know of itself, its reissue, and the largest plan's sub-keys."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sandbox.clock import iso, micros
from sandbox.cs2cap import params, reference_data
from sandbox.cs2cap.keys import ApiKey, KeyRegistry, generate_key
from sandbox.cs2cap.pages import pagination_json
from sandbox.cs2cap.params import Fields
from sandbox.http_types import ApiError, ApiRequest, ApiResponse, Json, dumps

ROOT = "/v1/account/key"
SUB_KEYS = "/v1/account/sub-keys"
MOST = 25  # sub-keys an account
Verb = Callable[[ApiRequest, ApiKey, datetime], ApiResponse]


class AccountRoutes:
    """Answers what is asked about keys; but for `GET /v1/account/key`, only a root key may ask."""

    def __init__(self, keys: KeyRegistry) -> None:
        self._keys = keys
        self._routes: Mapping[str, Mapping[str, Verb]] = {
            ROOT: {"GET": self._show},
            f"{ROOT}/reissue": {"POST": self._reissue},
            SUB_KEYS: {"GET": self._list, "POST": self._create},
        }
        self._of_one: Mapping[str, Verb] = {"GET": self._get, "PATCH": self._update, "DELETE": self._revoke}

    def verbs(self, path: str) -> Mapping[str, Verb] | None:
        """Return what can be done at a path, by method; None where there is nothing."""
        if path in self._routes or not path.startswith(f"{SUB_KEYS}/"):
            return self._routes.get(path)
        _, _, verb = path.removeprefix(f"{SUB_KEYS}/").partition("/")
        return {"": self._of_one, "reissue": {"POST": self._reissue_one}}.get(verb)

    def _show(self, _request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        return ApiResponse(body=dumps(self._told(key, now)))

    def _reissue(self, _request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        _must_be_root(key)
        return ApiResponse(body=dumps(reference_data.reissued_key_json(self._keys.reissue(key, now))))

    def _list(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        _must_manage(key)
        limit = min(max(params.parse_int(request, "limit") or MOST, 1), 100)
        offset = params.parse_int(request, "offset", least=0) or 0
        found = self._keys.children(key)
        shown: list[Json] = [self._told(child, now) for child in found[offset : offset + limit]]
        return ApiResponse(
            body=dumps({"keys": shown, "pagination": pagination_json(limit, offset, len(found))})
        )

    def _create(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        _must_manage(key)
        if len(self._keys.children(key)) >= MOST:
            raise ApiError(409, None, f"At most {MOST} sub-keys are allowed")
        fields = params.parse_body(request)
        if not isinstance(fields.get("name"), str):
            raise params.validation_error("missing", ["name"], "Field required", None)
        child = ApiKey(generate_key(), key.tier, created_at=now, root=key)
        _apply(child, fields)
        return self._once(self._keys.add(child), now, 201)

    def _get(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        return ApiResponse(body=dumps(self._told(self._child(request, key), now)))

    def _update(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        child = self._child(request, key)
        _apply(child, params.parse_body(request))
        return ApiResponse(body=dumps(self._told(child, now)))

    def _revoke(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        child = self._child(request, key)
        child.state = "revoked"
        return ApiResponse(body=dumps({"ok": True, "key_id": child.id, "revoked_at": iso(micros(now))}))

    def _reissue_one(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        return self._once(self._keys.reissue(self._child(request, key), now), now, 200)

    def _child(self, request: ApiRequest, key: ApiKey) -> ApiKey:
        """Return the sub-key that a path names."""
        _must_manage(key)
        wanted = request.path.removeprefix(f"{SUB_KEYS}/").partition("/")[0]
        for child in self._keys.children(key):
            if child.id == wanted:
                return child
        raise ApiError(404, None, "Sub-key not found")

    def _told(self, key: ApiKey, now: datetime) -> dict[str, Json]:
        return reference_data.key_json(key, now, limited=self._keys.enforced)

    def _once(self, key: ApiKey, now: datetime, status: int) -> ApiResponse:
        """Return the only answer that ever holds this sub-key itself."""
        told = {
            "key": key.text,
            "key_info": self._told(key, now)["key"],
            "message": reference_data.KEY_SHOWN_ONCE,
        }
        return ApiResponse(status, dumps(told))


def _must_be_root(key: ApiKey) -> None:
    if key.root is not None:
        raise ApiError(403, "FORBIDDEN", "This route takes the root API key")


def _must_manage(key: ApiKey) -> None:
    _must_be_root(key)
    if key.tier.name != "quant":
        raise ApiError(403, "FORBIDDEN", "Sub-keys are not enabled for this tier.")


def _apply(key: ApiKey, fields: Fields) -> None:
    """Set the name and the caps that a body gives; null takes a cap away."""
    name = fields.get("name")
    key.label = name if isinstance(name, str) else key.label
    if "quota_requests_per_month_override" in fields:
        key.month_cap = _cap(fields, "quota_requests_per_month_override", key.tier.month)
    if "rate_requests_per_minute_override" in fields:
        key.minute_cap = _cap(fields, "rate_requests_per_minute_override", key.tier.minute)


def _cap(fields: Fields, name: str, most: int) -> int | None:
    value = fields[name]
    if value is not None and not (isinstance(value, int) and 1 <= value <= most):
        raise params.validation_error(
            "value_error", [name], f"Input should be a whole number from 1 to {most}", value
        )
    return value
