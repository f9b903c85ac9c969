"""The web application: GET only, every page from the URL alone, nothing that leaves this machine."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from common.errors import FloorlineError
from dashboard import requests
from dashboard.downloads import MEDIA_TYPES, respond_with_file, respond_with_text
from dashboard.generations import GenerationFollower
from dashboard.pages.page import Page
from dashboard.prepared import PreparedMarket
from dashboard.rendering import render_page
from dashboard.security import HEADERS, SecurityHeaders

FORMS: Final = ("html", *MEDIA_TYPES)  # as the ends of addresses
MOST_KEPT: Final = 256  # responses
Build = Callable[[PreparedMarket, Request, str], "Page | None"]


class Dashboard:
    """The pages of a followed database. `hosts` are the names by which a browser may call the server."""

    def __init__(
        self, follower: GenerationFollower[PreparedMarket], hosts: Sequence[str], root_path: str = ""
    ) -> None:
        self._follower = follower
        self._root = root_path.rstrip("/")
        self._started = secrets.token_hex(4)  # a newer version may render the same data in another way
        self._kept: OrderedDict[tuple[str, str], Response] = OrderedDict()
        self._lock = Lock()
        static = StaticFiles(directory=Path(__file__).parent / "static")
        self.app = Starlette(
            routes=[
                Mount("/static", static),
                *self._routes("/", "/market", "/", requests.market_page),
                *self._routes("/items", "/items", "/items", requests.items_page),
                *self._routes("/movers", "/movers", "/movers", requests.movers_page),
                *self._routes("/spreads", "/spreads", "/spreads", requests.spreads_page),
                *self._routes("/portfolio", "/portfolio", "/portfolio", requests.portfolio_page),
                *self._routes(
                    "/collection", "/collection", "/collection", requests.collection_page, live=True
                ),
                *self._routes(
                    "/collection/runs/{run}", "/collection/runs/{run}", "/collection", requests.run_page
                ),
                *self._routes("/item/{item:path}", "/item/{item:path}", "/items", requests.item_page),
            ],
            exception_handlers={HTTPException: self._explain_refusal, Exception: self._explain_failure},
            middleware=[
                Middleware(SecurityHeaders),
                Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False),
            ],
        )

    def _routes(
        self, path: str, data_path: str, active: str, build: Build, *, live: bool = False
    ) -> list[Route]:
        """Return the routes of a page, and of its tables and charts as files.

        A `live` page also shows the collector's state, which changes without a publish.
        """
        respond = partial(self._respond, build, active, live=live)
        return [
            *(Route(f"{data_path}.{form}", partial(respond, form), methods=["GET"]) for form in FORMS),
            Route(path, partial(respond, "html"), methods=["GET"]),
        ]

    def _respond(self, build: Build, active: str, form: str, request: Request, *, live: bool) -> Response:
        """Return the page of an address, as it was rendered for this generation before, if it was."""
        address = f"{request.url.path}?{request.url.query}"
        with self._follower.read() as market:
            state = f"-{market.collector.tag}" if live else ""
            tag = f'"{self._started}-{market.tag}{state}"'
            # The header has one tag or several; a proxy that compressed the page has put W/ before its own.
            if tag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers={"ETag": tag})
            with self._lock:
                kept = self._kept.get((tag, address))
            response = kept or self._build(build, active, form, request=request, market=market)
        response.headers.update({"ETag": tag, "Cache-Control": "no-cache"})
        if response.status_code == 200:
            self._keep((tag, address), response)
        return response

    def _keep(self, key: tuple[str, str], response: Response) -> None:
        with self._lock:
            self._kept[key] = response
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)

    def _build(
        self, build: Build, active: str, form: str, *, request: Request, market: PreparedMarket
    ) -> Response:
        currency = requests.choose_currency(market, request)
        try:
            page, status = build(market, request, currency), 200
        except FloorlineError as error:
            page, status = requests.message_page("This page took too long, or failed", str(error)), 503
        if page is None:
            page, status = requests.not_found_page(), 404
        if form != "html":
            is_found = status == 200
            return respond_with_file(page, form, request) if is_found else _respond_without_file(page, status)
        html = render_page(
            page,
            root=self._root,
            active=active,
            currency=currency,
            newest=market.newest,
            currencies=self._currency_addresses(request, market) if status == 200 else (),
            address=partial(self._data_address, request) if status == 200 else None,
        )
        return Response(html, status, media_type="text/html")

    def _explain_refusal(self, request: Request, refused: Exception) -> Response:
        """Return the page of an address that does not exist, or of a method that is not GET."""
        assert isinstance(refused, HTTPException)  # noqa: S101 - the type that this handler is for
        pages = {
            404: requests.not_found_page(),
            405: requests.message_page("Not allowed", "Pages can only be read."),
        }
        page = pages.get(refused.status_code) or requests.message_page("Not possible", refused.detail)
        return self._respond_with_message(request, page, refused.status_code, refused.headers)

    def _explain_failure(self, request: Request, _failure: Exception) -> Response:
        """Return the page of a mistake in this program, which the server writes to its log."""
        page = requests.message_page("This page failed", "The log of the dashboard tells why.")
        return self._respond_with_message(request, page, 500, HEADERS)

    def _respond_with_message(
        self, request: Request, page: Page, status: int, headers: Mapping[str, str] | None
    ) -> Response:
        with self._follower.read() as market:
            currency = requests.choose_currency(market, request)
            html = render_page(
                page, root=self._root, active="", currency=currency, newest=market.newest, address=None
            )
        return Response(html, status, headers, media_type="text/html")

    def _currency_addresses(self, request: Request, market: PreparedMarket) -> list[tuple[str, str]]:
        """Return the currencies, each with the address of this page in it."""
        path = request.scope["raw_path"].decode("ascii").partition("?")[0]
        others = [(name, value) for name, value in request.query_params.multi_items() if name != "currency"]
        return [
            (code, f"{self._root}{path}?{urlencode([*others, ('currency', code)])}")
            for code in market.currencies
        ]

    def _data_address(self, request: Request, form: str, **named: str) -> str:
        """Return the address of a table or a chart of this page as a file."""
        path = request.scope["raw_path"].decode("ascii").partition("?")[0].removesuffix(".html")
        page = "/market" if path == "/" else path
        values = [*request.query_params.multi_items(), *named.items()]
        return f"{self._root}{page}.{form}?{urlencode(values)}"


def _respond_without_file(page: Page, status: int) -> Response:
    return respond_with_text(f"{page.title}: {page.context['message']}", status)
