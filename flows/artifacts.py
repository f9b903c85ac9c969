"""Prefect artifacts of a flow run: keys, foreign text, and the progress bar."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Final, Protocol

from prefect import get_run_logger
from prefect.artifacts import (
    acreate_progress_artifact,
    aupdate_progress_artifact,
)

from common.text import sanitize

SHOW_AFTER: Final = 10.0  # seconds; a shorter run gets no progress artifact
MAX_CHARACTERS: Final = 4000  # of a foreign text in an artifact
BACKTICKS: Final = re.compile("`+")
UPDATE_INTERVAL: Final = 5.0  # seconds


class ProgressSource(Protocol):
    """A running extraction that can report its progress."""

    @property
    def percent(self) -> float:
        """The progress, from 0 to 100."""
        ...

    @property
    def description(self) -> str:
        """The progress as text, for people."""
        ...


@contextlib.asynccontextmanager
async def publish_progress(
    source: ProgressSource, key: str, *, after: float = SHOW_AFTER, every: float = UPDATE_INTERVAL
) -> AsyncIterator[None]:
    """Publish the progress of a long run as a progress artifact, with a last update at its end.

    The artifact is created `after` seconds and updated `every` seconds.
    """
    ended = asyncio.Event()
    updates = asyncio.create_task(_update_artifact(source, key, ended, after=after, every=every))
    try:
        yield
    finally:
        ended.set()  # not cancelled: a cancelled request leaks its socket, and the last update would be lost
        await updates


async def _update_artifact(
    source: ProgressSource, key: str, ended: asyncio.Event, *, after: float, every: float
) -> None:
    if await _is_set_within(ended, after):
        return
    try:
        artifact = await acreate_progress_artifact(source.percent, key, source.description)
        last = False
        while not last:
            last = await _is_set_within(ended, every)
            await aupdate_progress_artifact(artifact, source.percent, source.description)
    except Exception as error:  # noqa: BLE001 - the run must not fail because its progress is not shown
        get_run_logger().warning("the progress cannot be published: %s", type(error).__name__)


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def artifact_key(*parts: str) -> str:
    """Return an artifact key as Prefect allows it: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def code_span(text: str) -> str:
    """Return foreign text as Markdown that shows the text as it is: no link, no image, no HTML."""
    line = sanitize(text, MAX_CHARACTERS)
    fence = "`" * (1 + max(map(len, BACKTICKS.findall(line)), default=0))
    edge = " " if "`" in line else ""
    return f"{fence}{edge}{line}{edge}{fence}" if line else ""
