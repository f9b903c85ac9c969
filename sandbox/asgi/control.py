"""The control routes under `/_sandbox`: change clock, market, keys and faults; read ledger, log and state."""

from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from typing import cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.clock import iso, parse_iso
from sandbox.core import Sandbox
from sandbox.cs2cap import rate_windows
from sandbox.http_types import NDJSON, Json
from sandbox.market.providers import KEYS

Body = dict[str, Json]
Command = Callable[[Sandbox, Body], Json]
Endpoint = Callable[[Request], Awaitable[Response]]


def control_app(sandbox: Sandbox) -> Starlette:
    """Return the application of the control routes; it responds with 400 and a reason to a wrong request."""
    posts = [_route("POST", path, _command_endpoint(sandbox, command)) for path, command in _COMMANDS.items()]
    gets = [_route("GET", path, _read_endpoint(sandbox, read)) for path, read in _READS.items()]
    clear = _route("DELETE", "faults", _command_endpoint(sandbox, lambda target, _: target.faults.clear()))
    return Starlette(routes=[*posts, *gets, clear])


def _route(method: str, path: str, endpoint: Endpoint) -> Route:
    return Route(f"/_sandbox/{path}", endpoint, methods=[method])


def _command_endpoint(sandbox: Sandbox, command: Command) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            body = await request.json() if await request.body() else {}
            return JSONResponse(command(sandbox, body))
        except (ValueError, KeyError, TypeError, InvalidOperation) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)

    return endpoint


def _read_endpoint(sandbox: Sandbox, read: Callable[[Sandbox, Request], Response]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        try:
            return read(sandbox, request)
        except (ValueError, KeyError) as error:
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)

    return endpoint


def _ledger(sandbox: Sandbox, request: Request) -> Response:
    query = request.query_params
    frame = sandbox.ledger(
        parse_iso(query["at"]) if "at" in query else None,
        currency=query.get("currency", "USD"),
        providers=query.getlist("provider") or None,
        item_ids=[int(text) for text in query.getlist("item_id")] or None,
        bids="bids" in query,
    )
    if "count" in query:
        return JSONResponse({"count": frame.height})
    return Response(frame.write_ndjson().encode(), media_type=NDJSON)


def _history(sandbox: Sandbox, request: Request) -> Response:
    query = request.query_params
    frame = sandbox.history(
        [int(text) for text in query.getlist("item_id")],
        start=parse_iso(query["start"]) if "start" in query else None,
        end=parse_iso(query["end"]) if "end" in query else None,
        currency=query.get("currency", "USD"),
    )
    return Response(frame.write_ndjson().encode(), media_type=NDJSON)


def _sales(sandbox: Sandbox, request: Request) -> Response:
    query = request.query_params
    frame = sandbox.sales(
        parse_iso(query["at"]) if "at" in query else None,
        currency=query.get("currency", "USD"),
        item_ids=[int(text) for text in query.getlist("item_id")] or None,
    )
    return Response(frame.write_ndjson().encode(), media_type=NDJSON)


def _changes(sandbox: Sandbox, request: Request) -> Response:
    query = request.query_params
    frame = sandbox.changes(
        parse_iso(query["start"]) if "start" in query else None,
        parse_iso(query["end"]) if "end" in query else None,
        bids="bids" in query,
    )
    return Response(frame.write_ndjson().encode(), media_type=NDJSON)


def _feeds(sandbox: Sandbox, _request: Request) -> Response:
    with sandbox.lock:
        return JSONResponse([connection.as_dict() for connection in sandbox.feeds.connections])


def _sent_items(sandbox: Sandbox, _request: Request) -> Response:
    return Response(sandbox.sent_items().write_ndjson().encode(), media_type=NDJSON)


def _requests(sandbox: Sandbox, request: Request) -> Response:
    since = int(request.query_params.get("since", "0"))
    return JSONResponse([entry.as_dict() for entry in sandbox.requests.since(since)])


def _state(sandbox: Sandbox, _request: Request) -> Response:
    market, now = sandbox.market, sandbox.sync()
    with sandbox.lock:
        state: Body = {
            "clock": iso(now),
            "frozen": sandbox.clock.frozen,
            "refreshed": iso(market.epochs[-1].refreshed),
            "items": len(market.board.catalog.items),
            "quotes": len(market.listed(tuple(range(len(KEYS))))),
            "dark": [KEYS[position] for position in sorted(market.dark)],
            "requests": len(sandbox.requests),
            "faults": len(sandbox.faults.active),
            "limits": sandbox.keys.enforced,
            "windows": sandbox.keys.windows,
            "pages_rendered": sandbox.api.pages.rendered,
        }
    return JSONResponse(state)


def _clock(sandbox: Sandbox, body: Body) -> Json:
    if "set" in body:
        sandbox.clock.set(parse_iso(str(body["set"])))
    if "freeze" in body:
        sandbox.clock.freeze()
    if "real" in body:
        sandbox.clock.real()
    sandbox.advance(float(cast("float", body.get("advance", 0))))
    return {"clock": iso(sandbox.clock.us())}


def _market_command(name: str) -> Command:
    """Return a command that passes the fields of the body to a method of the sandbox."""

    def command(sandbox: Sandbox, body: Body) -> Json:
        return {"quotes": [change.as_dict() for change in getattr(sandbox, name)(**body)]}

    return command


def _dark(sandbox: Sandbox, body: Body) -> Json:
    sandbox.set_provider_dark(str(body["provider"]), bool(body.get("dark", True)))
    return {}


def _refresh(sandbox: Sandbox, _body: Body) -> Json:
    sandbox.refresh()
    return {}


def _fx(sandbox: Sandbox, body: Body) -> Json:
    if body.pop("drift", False):
        sandbox.drift_fx()
    if body:
        sandbox.fx({code: Decimal(str(rate)) for code, rate in body.items()})
    return {code: str(rate) for code, rate in sandbox.market.rates.items()}


def _keys(sandbox: Sandbox, body: Body) -> Json:
    text, tier = str(body["key"]), str(body["tier"]) if "tier" in body else None
    key = sandbox.key(text, str(body.get("state", "valid")), tier=tier, label=str(body.get("label", "")))
    key.billing_day = int(cast("int", body.get("billing_day", key.billing_day)))
    if "month_left" in body:
        sandbox.keys.set_remaining(text, int(cast("int", body["month_left"])), sandbox.clock.now())
    if "streams_left" in body:
        key.set_streams_left(int(cast("int", body["streams_left"])), sandbox.clock.now())
    key.limits_reported = bool(body.get("limits_reported", key.limits_reported))
    if "expires_at" in body:
        key.expires_at = parse_iso(str(body["expires_at"]))
    return {"state": key.state, "tier": key.tier.name}


def _faults(sandbox: Sandbox, body: Json) -> Json:
    for fault in body if isinstance(body, list) else [body]:
        sandbox.fault(**cast("dict[str, str]", fault))
    return {"faults": len(sandbox.faults.active)}


def _limits(sandbox: Sandbox, body: Body) -> Json:
    keys = sandbox.keys
    keys.windows = rate_windows.check_window_kind(str(body.get("windows", keys.windows)))
    keys.enforced = bool(body.get("enforced", keys.enforced))
    return {"enforced": keys.enforced, "windows": keys.windows}


def _break_feeds(sandbox: Sandbox, body: Body) -> Json:
    return {"broken": sandbox.break_feeds(str(body.get("how", "drop")))}


def _render(sandbox: Sandbox, body: Body) -> Json:
    snapshot = sandbox.render(bids=bool(body.get("bids", False)))
    return {"rows": snapshot.rows, "bytes": len(snapshot.body)}


_COMMANDS: dict[str, Command] = {
    "clock": _clock,
    "market/move": _market_command("move"),
    "market/restock": _market_command("restock"),
    "market/vanish": _market_command("vanish"),
    "market/return": _market_command("restore"),
    "market/appear": _market_command("appear"),
    "market/dark": _dark,
    "market/refresh": _refresh,
    "fx": _fx,
    "keys": _keys,
    "faults": _faults,
    "limits": _limits,
    "feeds/break": _break_feeds,
    "render": _render,
}
_READS = {
    "ledger": _ledger,
    "history": _history,
    "sales": _sales,
    "changes": _changes,
    "feeds": _feeds,
    "feeds/sent": _sent_items,
    "requests": _requests,
    "state": _state,
}
