"""The page `/metrics`: for who knows the password, and nothing else than the file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from starlette.responses import PlainTextResponse

from floorline.up.metrics_page import MetricsPage

SECRET = ("floorline", "planted:with colon")


def get(file: Path, path: str = "/metrics", auth: tuple[str, str] | None = SECRET) -> httpx.Response:
    """Send a request to the page."""
    page = MetricsPage(PlainTextResponse("prefect"), file, ":".join(SECRET))

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(page), base_url="http://up") as client:
            return await client.get(path, auth=auth)

    return asyncio.run(send())


def test_password_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "metrics.prom"
    file.write_text("floorline_up 1\n")
    for auth in (None, ("floorline", "wrong"), ("", ""), ("floorline", "")):
        refused = get(file, auth=auth)
        assert (refused.status_code, "floorline_up" in refused.text) == (401, False)
    shown = get(file)
    assert (shown.status_code, shown.text) == (200, "floorline_up 1\n")
    assert shown.headers["content-type"].startswith("text/plain; version=")


def test_before_the_first_metrics(tmp_path: Path) -> None:
    assert get(tmp_path / "metrics.prom").status_code == 503


def test_other_paths_are_those_of_prefect(tmp_path: Path) -> None:
    assert {get(tmp_path / "metrics.prom", path).text for path in ("/", "/metrics/", "/api/metrics")} == {
        "prefect"
    }
