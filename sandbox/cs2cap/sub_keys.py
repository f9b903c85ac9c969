"""The account's routes: a key's own data, its reissue, and the sub-keys of the largest plan."""

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
MAX_SUB_KEYS = 25
MAX_NAME = 100  # characters
Handler = Callable[[ApiRequest, ApiKey, datetime], ApiResponse]


class AccountRoutes:
    """The routes of keys; all but `GET /v1/account/key` require a root key."""

    def __init__(self, keys: KeyRegistry) -> None:
        self._keys = keys
        self._routes: Mapping[str, Mapping[str, Handler]] = {
            ROOT: {"GET": self._show},
            f"{ROOT}/reissue": {"POST": self._reissue},
            SUB_KEYS: {"GET": self._list, "POST": self._create},
        }
        self._sub_key_handlers: Mapping[str, Handler] = {
            "GET": self._get,
            "PATCH": self._update,
            "DELETE": self._revoke,
        }

    def handlers(self, path: str) -> Mapping[str, Handler] | None:
        """Return the handlers of a path by method; None for a path that is no account route."""
        if path in self._routes or not path.startswith(f"{SUB_KEYS}/"):
            return self._routes.get(path)
        _, _, action = path.removeprefix(f"{SUB_KEYS}/").partition("/")
        return {"": self._sub_key_handlers, "reissue": {"POST": self._reissue_sub_key}}.get(action)

    def _show(self, _request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        return ApiResponse(body=dumps(self._key_json(key, now)))

    def _reissue(self, _request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        _require_root(key)
        _require_verified(key)
        return ApiResponse(body=dumps(reference_data.reissued_key_json(self._keys.reissue(key, now))))

    def _list(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        _require_sub_keys(key)
        limit = min(max(params.parse_int(request, "limit") or MAX_SUB_KEYS, 1), 100)
        offset = max(params.parse_int(request, "offset") or 0, 0)
        children = self._keys.children(key)
        page: list[Json] = [self._key_json(child, now) for child in children[offset : offset + limit]]
        pagination = pagination_json(limit, offset, len(children))
        return ApiResponse(body=dumps({"keys": page, "pagination": pagination}))

    def _create(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        _require_sub_keys(key)
        _require_verified(key)
        fields = params.parse_body(request)
        if fields.get("name") is None:
            raise params.validation_error("missing", ["body", "name"], "Field required", value=fields)
        child = ApiKey(generate_key(), key.tier, created_at=now, root=key)
        _apply_fields(child, fields)
        if len(self._keys.children(key)) >= MAX_SUB_KEYS:
            raise ApiError(409, None, f"At most {MAX_SUB_KEYS} sub-keys are allowed")
        return self._show_once(self._keys.add(child), now, 201)

    def _get(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        return ApiResponse(body=dumps(self._key_json(self._child(request, key), now)))

    def _update(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        child = self._child(request, key)
        _apply_fields(child, params.parse_body(request))
        return ApiResponse(body=dumps(self._key_json(child, now)))

    def _revoke(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        child = self._child(request, key)
        child.state = "revoked"
        return ApiResponse(body=dumps({"ok": True, "key_id": child.id, "revoked_at": iso(micros(now))}))

    def _reissue_sub_key(self, request: ApiRequest, key: ApiKey, now: datetime) -> ApiResponse:
        child = self._child(request, key)
        _require_verified(key)
        return self._show_once(self._keys.reissue(child, now), now, 200)

    def _child(self, request: ApiRequest, key: ApiKey) -> ApiKey:
        """Return the sub-key of a path. Raises ApiError."""
        _require_sub_keys(key)
        key_id = request.path.removeprefix(f"{SUB_KEYS}/").partition("/")[0]
        for child in self._keys.children(key):
            if child.id == key_id:
                return child
        raise ApiError(404, None, "Sub-key not found")

    def _key_json(self, key: ApiKey, now: datetime) -> dict[str, Json]:
        return reference_data.key_json(key, now, limits=self._keys.reported_limits(key))

    def _show_once(self, key: ApiKey, now: datetime, status: int) -> ApiResponse:
        """Return the only response with this sub-key itself."""
        body = {
            "key": key.text,
            "key_info": self._key_json(key, now)["key"],
            "message": reference_data.KEY_SHOWN_ONCE,
        }
        return ApiResponse(status, dumps(body))


def _require_root(key: ApiKey) -> None:
    if key.root is not None:
        raise ApiError(403, "FORBIDDEN", "This route takes the root API key")


def _require_verified(root: ApiKey) -> None:
    """Raise ApiError for an account whose email address is not verified: it gets no new keys."""
    if root.state == "unverified":
        raise ApiError(403, "EMAIL_NOT_VERIFIED", "Verify your email address first")


def _require_sub_keys(key: ApiKey) -> None:
    _require_root(key)
    if key.tier.name != "quant":
        raise ApiError(403, "FORBIDDEN", "Sub-keys are not enabled for this tier.")


def _apply_fields(key: ApiKey, fields: Fields) -> None:
    """Set the name and the caps of a body, all or none; null removes a cap."""
    label = key.label if fields.get("name") is None else _parse_name(fields)
    month_cap = _parse_cap(fields, "quota_requests_per_month_override", key.month_cap, key.tier.month)
    minute_cap = _parse_cap(fields, "rate_requests_per_minute_override", key.minute_cap, key.tier.minute)
    key.label, key.month_cap, key.minute_cap = label, month_cap, minute_cap


def _parse_name(fields: Fields) -> str:
    name = fields["name"]
    if isinstance(name, str) and 1 <= len(name) <= MAX_NAME:
        return name
    message = f"Input should be a string of 1 to {MAX_NAME} characters"
    raise params.validation_error("value_error", ["body", "name"], message, value=name)


def _parse_cap(fields: Fields, name: str, current: int | None, most: int) -> int | None:
    """Return a cap of a body, the `current` one where the body has none. In JSON, 5.0 is a whole number."""
    value = fields.get(name, current)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and value in range(1, most + 1):
        return int(value)
    message = f"Input should be a whole number from 1 to {most}"
    raise params.validation_error("value_error", ["body", name], message, value=value)
