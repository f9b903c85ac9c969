"""Requests of pages from the application, without a server, and what the pages consist of."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from urllib.parse import quote

import httpx

from dashboard.app import Dashboard


class Reader(HTMLParser):
    """Reads the texts of a page, and everything in it that could run or load something."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.cells: list[list[str]] = []
        self.scripts: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.attributes: set[str] = set()
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the attributes, and the start of a cell."""
        values = dict(attrs)
        self.attributes |= values.keys()
        self.addresses += [values[name] or "" for name in ("href", "src", "action") if name in values]
        if tag == "script":
            self.scripts.append(values)
        if tag == "tr":
            self.cells.append([])
        if tag == "td":
            self._in_cell = True
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Note the end of a cell."""
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)
        if self._in_cell:
            self.cells[-1][-1] += data


def fetch(
    dashboard: Dashboard,
    path: str,
    *,
    method: str = "GET",
    host: str = "market.test",
    must_raise: bool = True,
    **headers: str,
) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(dashboard.app, raise_app_exceptions=must_raise)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.request(
                method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
            )

    return asyncio.run(send())


def item_path(item: str, suffix: str = "") -> str:
    return f"/item/{quote(item, safe='')}{suffix}"
