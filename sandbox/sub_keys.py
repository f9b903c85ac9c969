"""The account's key routes: what a key may know of itself, its reissue, and the largest plan's sub-keys."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sandbox import bodies, directory, query
from sandbox.answers import Answer, Json, Refusal, Request, dumps
from sandbox.bodies import Fields
from sandbox.clock import iso, micros
from sandbox.keys import Key, Keys, fresh
from sandbox.pages import pagination

ROOT = "/v1/account/key"
SUB_KEYS = "/v1/account/sub-keys"
MOST = 25  # sub-keys an account
Verb = Callable[[Request, Key, datetime], Answer]


class AccountKeys:
    """Answers what is asked about keys; but for `GET /v1/account/key`, only a root key may ask."""

    def __init__(self, keys: Keys) -> None:
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

    def _show(self, _request: Request, key: Key, now: datetime) -> Answer:
        return Answer(body=dumps(self._told(key, now)))

    def _reissue(self, _request: Request, key: Key, now: datetime) -> Answer:
        _must_be_root(key)
        return Answer(body=dumps(directory.reissued(self._keys.reissue(key, now))))

    def _list(self, request: Request, key: Key, now: datetime) -> Answer:
        _must_manage(key)
        limit = min(max(query.whole(request, "limit") or MOST, 1), 100)
        offset = query.whole(request, "offset", least=0) or 0
        found = self._keys.children(key)
        shown: list[Json] = [self._told(child, now) for child in found[offset : offset + limit]]
        return Answer(body=dumps({"keys": shown, "pagination": pagination(limit, offset, len(found))}))

    def _create(self, request: Request, key: Key, now: datetime) -> Answer:
        _must_manage(key)
        if len(self._keys.children(key)) >= MOST:
            raise Refusal(409, None, f"At most {MOST} sub-keys are allowed")
        fields = bodies.fields(request)
        if not isinstance(fields.get("name"), str):
            raise bodies.wrong("missing", ["name"], "Field required", None)
        child = Key(fresh(), key.tier, created_at=now, root=key)
        _apply(child, fields)
        return self._once(self._keys.add(child), now, 201)

    def _get(self, request: Request, key: Key, now: datetime) -> Answer:
        return Answer(body=dumps(self._told(self._child(request, key), now)))

    def _update(self, request: Request, key: Key, now: datetime) -> Answer:
        child = self._child(request, key)
        _apply(child, bodies.fields(request))
        return Answer(body=dumps(self._told(child, now)))

    def _revoke(self, request: Request, key: Key, now: datetime) -> Answer:
        child = self._child(request, key)
        child.state = "revoked"
        return Answer(body=dumps({"ok": True, "key_id": child.id, "revoked_at": iso(micros(now))}))

    def _reissue_one(self, request: Request, key: Key, now: datetime) -> Answer:
        return self._once(self._keys.reissue(self._child(request, key), now), now, 200)

    def _child(self, request: Request, key: Key) -> Key:
        """Return the sub-key that a path names."""
        _must_manage(key)
        wanted = request.path.removeprefix(f"{SUB_KEYS}/").partition("/")[0]
        for child in self._keys.children(key):
            if child.id == wanted:
                return child
        raise Refusal(404, None, "Sub-key not found")

    def _told(self, key: Key, now: datetime) -> dict[str, Json]:
        return directory.key(key, now, limited=self._keys.enforced)

    def _once(self, key: Key, now: datetime, status: int) -> Answer:
        """Return the only answer that ever holds this sub-key itself."""
        told = {"key": key.text, "key_info": self._told(key, now)["key"], "message": directory.ONCE}
        return Answer(status, dumps(told))


def _must_be_root(key: Key) -> None:
    if key.root is not None:
        raise Refusal(403, "FORBIDDEN", "This route takes the root API key")


def _must_manage(key: Key) -> None:
    _must_be_root(key)
    if key.tier.name != "quant":
        raise Refusal(403, "FORBIDDEN", "Sub-keys are not enabled for this tier.")


def _apply(key: Key, fields: Fields) -> None:
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
        raise bodies.wrong("value_error", [name], f"Input should be a whole number from 1 to {most}", value)
    return value
