"""Debian's chromium, which may reach one server only: what it would have loaded from elsewhere is counted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Dialog,
    Page,
    Response,
    Route,
    ViewportSize,
    sync_playwright,
)

DESKTOP: Final[ViewportSize] = {"width": 1280, "height": 900}
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
# No name is resolved: a request that no page makes, such as one of chromium itself, reaches nothing either.
OFFLINE: Final = (
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--disable-background-networking",
)


@contextmanager
def start_chromium() -> Iterator[Browser]:
    """Yield a browser; skip the test where chromium is not installed."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OFFLINE)
        yield browser
        browser.close()


class Visitor:
    """A window on the pages of one server, with what went wrong in it since the last page was opened.

    `refused` are the addresses elsewhere that a page asked for, `errors` what the console told, `dialogs` the
    messages that scripts showed; `loaded` are the addresses and sizes (bytes) of what a page consists of.
    """

    def __init__(self, browser: Browser, url: str, **options: Any) -> None:
        self._url = url.rstrip("/")
        self.context: BrowserContext = browser.new_context(**{"viewport": DESKTOP, **options})
        self.context.set_default_timeout(60_000)
        self.refused: list[str] = []
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        self.loaded: dict[str, int] = {}
        self.context.route("**/*", self._route)
        self.context.on("response", self._measure)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", self._dismiss)

    def open(self, path: str) -> int:
        """Open a page, until all of its parts are loaded; return the status of the response."""
        for noted in (self.refused, self.errors, self.dialogs, self.loaded):
            noted.clear()
        response = self.page.goto(self._url + path, wait_until="load")
        assert response is not None
        return response.status

    def close(self) -> None:
        """Close the window."""
        self.context.unroute_all(behavior="ignoreErrors")  # the browser may still load the icon
        self.context.close()

    def _route(self, route: Route) -> None:
        if route.request.url.startswith(f"{self._url}/"):
            route.continue_()
        else:
            self.refused.append(route.request.url)
            route.abort()

    def _measure(self, response: Response) -> None:
        self.loaded[response.url] = int(response.headers["content-length"])

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.errors.append(text)
