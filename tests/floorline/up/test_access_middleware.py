"""The access to the Prefect server: which host names and which web pages reach it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from floorline.up.access_middleware import restrict_access

OWN = "http://127.0.0.1:4200"
ORIGINS = (OWN, "http://localhost:4200")


async def inside(scope: Scope, receive: Receive, send: Send) -> None:
    """Accept every request and WebSocket, as the server itself does."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})


def ask(kind: str, headers: dict[str, str], *origins: str, any_host: bool = False) -> Message:
    """Send a request ("GET", "POST") or open a WebSocket; return the first message of the answer."""
    sent: list[Message] = []
    scope: dict[str, Any] = {
        "type": "websocket" if kind == "websocket" else "http",
        "method": kind,
        "path": "/",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "extensions": {"websocket.http.response": {}},
    }

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def answer() -> None:
        await restrict_access(inside, origins or ORIGINS, any_host=any_host)(scope, receive, send)

    asyncio.run(answer())
    return sent[0]


def status_of(kind: str, headers: dict[str, str], *origins: str) -> int:
    """Return the status of the answer; 200 also for a WebSocket that is accepted."""
    return int(ask(kind, headers, *origins).get("status", 200))


CASES = [  # all new, but for those with the status 200, which guard what must go on
    ("127.0.0.1:4200", None, 200),
    ("localhost:4200", None, 200),
    ("LOCALHOST", None, 200),
    ("127.0.0.1:4200", OWN, 200),
    ("127.0.0.1:4200", "http://localhost:4200", 200),
    ("rebound.example", None, 400),
    ("rebound.example:4200", "http://rebound.example:4200", 400),
    ("127.0.0.1.rebound.example", None, 400),
    ("localhost.rebound.example:4200", None, 400),
    ("127.0.0.1@rebound.example", None, 400),
    ("0.0.0.0:4200", None, 400),
    ("", None, 400),
    ("127.0.0.1:4200", "https://page.example", 403),
    ("127.0.0.1:4200", "http://127.0.0.1:8080", 403),
    ("127.0.0.1:4200", "https://127.0.0.1:4200", 403),
    ("127.0.0.1:4200", "http://127.0.0.1:4200.page.example", 403),
    ("127.0.0.1:4200", "null", 403),
    ("127.0.0.1:4200", "", 403),
]


@pytest.mark.parametrize("kind", ["GET", "POST", "websocket"])
@pytest.mark.parametrize(("host", "origin", "status"), CASES)
def test_requests_and_sockets_by_host_and_origin(
    kind: str, host: str, origin: str | None, status: int
) -> None:
    assert status_of(kind, {"Host": host} | ({} if origin is None else {"Origin": origin})) == status


def test_request_without_a_host_is_refused() -> None:
    assert status_of("GET", {}) == 400


def test_users_own_origins_and_their_hosts_are_allowed() -> None:
    own = "https://prefect.example"
    assert status_of("POST", {"Host": "prefect.example", "Origin": own}, own) == 200
    assert status_of("POST", {"Host": "other.example"}, own) == 400


def test_any_origin_does_not_mean_any_host() -> None:
    assert status_of("POST", {"Host": "localhost", "Origin": "https://page.example"}, "*") == 200
    assert status_of("POST", {"Host": "rebound.example"}, "*") == 400


def test_no_page_may_frame_the_server() -> None:
    headers = dict(ask("GET", {"Host": "localhost"})["headers"])
    assert headers[b"x-frame-options"] == b"DENY"
    assert headers[b"content-security-policy"] == b"frame-ancestors 'none'"


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("192.168.1.5:4200", None, 200),
        ("market.lan:4200", "http://market.lan:4200", 200),
        ("market.lan:4200", "http://evil.example", 403),
        ("market.lan:4200", "http://evil.example:4200", 403),
        ("market.lan:4200", "null", 403),
    ],
)
def test_server_on_all_addresses_serves_its_own_page_by_any_name(
    host: str, origin: str | None, status: int
) -> None:
    headers = {"Host": host, **({"Origin": origin} if origin else {})}
    for kind in ("GET", "POST", "websocket"):
        assert ask(kind, headers, any_host=True).get("status", 200) == status
