"""What a flow run leaves in Prefect for people: a table, the progress of a long walk, and a page an alert."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Protocol

from prefect import get_run_logger
from prefect.artifacts import (
    acreate_link_artifact,
    acreate_markdown_artifact,
    acreate_progress_artifact,
    acreate_table_artifact,
    aupdate_progress_artifact,
)
from prefect.settings import PREFECT_UI_URL

from common.clock import Clock
from common.errors import SourceError
from connectors.shards import Shard
from pipelines.alerts.rules import CAUSE_BY_STATE
from pipelines.results import RunResult
from pipelines.snapshot.page_writers import LandedPage
from pipelines.snapshot.progress import PageCounter, Progress

SHOW_AFTER: Final = 10.0  # seconds after which a walk is long enough to be watched
UPDATE_INTERVAL: Final = 5.0  # seconds between two updates of what is shown


class PublishesProgress(Protocol):
    """What lasts, and can say how far it is."""

    @property
    def percent(self) -> float:
        """How much of it is done, of 100."""
        ...

    @property
    def description(self) -> str:
        """How far it is, in words."""
        ...


class ProgressTracker:
    """Passes progress on, and counts it for whoever asks."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.tallies: dict[str, PageCounter] = {}

    def planned(self, basket: str, shards: tuple[Shard, ...]) -> None:
        """A basket is about to be fetched."""
        self.tallies[basket] = PageCounter(shards)
        self._progress.planned(basket, shards)

    def landed(self, basket: str, shard: Shard, page: LandedPage) -> None:
        """A page is on disk."""
        self.tallies[basket].landed(shard, page)
        self._progress.landed(basket, shard, page)

    def finished(self, basket: str) -> None:
        """Nothing more will come for a basket."""
        self._progress.finished(basket)

    @property
    def percent(self) -> float:
        """How much of the known pages of all baskets is on disk, of 100."""
        total = sum(tally.total for tally in self.tallies.values())
        return round(100 * sum(tally.pages for tally in self.tallies.values()) / total, 1) if total else 0.0

    @property
    def description(self) -> str:
        """How far each basket is."""
        return "; ".join(
            f"{basket}: {tally.pages:,} of {tally.total:,} pages, {tally.rows:,} rows"
            for basket, tally in self.tallies.items()
        )


@contextlib.asynccontextmanager
async def publish_progress(watched: PublishesProgress, key: str, clock: Clock) -> AsyncIterator[None]:
    """Show a walk that lasts as a progress artifact, with a last update at its end."""
    ended = asyncio.Event()
    showing = asyncio.create_task(_show(watched, key, clock, ended))
    try:
        yield
    finally:
        ended.set()  # not cancelled: a request that is cut off leaves its socket, and no last update
        await showing


async def _show(watched: PublishesProgress, key: str, clock: Clock, ended: asyncio.Event) -> None:
    """Create the artifact after a while and bring it up to date; what fails here ends the showing only."""
    await _pause(clock, SHOW_AFTER, ended)
    if ended.is_set():
        return
    try:
        artifact = await acreate_progress_artifact(watched.percent, key, watched.description)
        last = False
        while not last:
            await _pause(clock, UPDATE_INTERVAL, ended)
            last = ended.is_set()
            await aupdate_progress_artifact(artifact, watched.percent, watched.description)
    except Exception as error:  # noqa: BLE001 - the walk is worth more than its picture
        get_run_logger().warning("its progress cannot be shown: %s", type(error).__name__)


async def _pause(clock: Clock, seconds: float, ended: asyncio.Event) -> None:
    """Wait so long, or until it ended."""
    waits = [asyncio.create_task(clock.sleep(seconds)), asyncio.create_task(ended.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def publish_results(results: Sequence[RunResult]) -> None:
    """A table for each basket, and for each source that failed an event and a page that says what to do."""
    for result in results:
        await acreate_table_artifact(
            table=[_row(result)], key=artifact_key("snapshot", result.basket), description=summarize(result)
        )
        if result.state in CAUSE_BY_STATE and result.error is not None:
            await publish_alert(result, result.error)


def artifact_key(*parts: str) -> str:
    """A key as Prefect allows it: lower case, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


def summarize(result: RunResult) -> str:
    """What a run came to, in one line."""
    if result.incomplete_reason:
        return f"{result.state}: {result.incomplete_reason}"
    load = result.load
    changed = f", {load.rows_fetched:,} rows, {load.rows_changed:,} changed" if load else ""
    return f"{result.state}: {result.requests} requests{changed}"


async def publish_alert(result: RunResult, error: SourceError) -> None:
    """A page that says what stopped a source and what to do, and the way to it."""
    cause = CAUSE_BY_STATE[result.state]
    key = artifact_key("alert", cause, result.source)
    await acreate_markdown_artifact(
        key=key,
        markdown=(
            f"# {cause}: {result.source}\n\n{error}\n\n"
            f"- code: `{error.code or type(error).__name__}`\n- key: `…{result.key_tail}`\n"
            f"- run: `{result.run_id}`\n"
            f"- what to do: {error.guidance}\n"
        ),
        description=f"{result.source} stopped: {error.code or type(error).__name__}",
    )
    await acreate_link_artifact(
        link=f"{PREFECT_UI_URL.value() or ''}/artifacts/key/{key}",
        link_text=f"The alert {cause} of {result.source}",
        key=artifact_key("alert-of", result.basket),
        description=f"Why {result.basket} was not looked at",
    )


def _row(result: RunResult) -> dict[str, Any]:
    load = result.load
    return {
        "basket": result.basket,
        "source": result.source,
        "state": result.state,
        "rows": load.rows_fetched if load else 0,
        "changed": load.rows_changed if load else 0,
        "rejected": load.rows_rejected if load else 0,
        "requests": result.requests,
        "quota left": "" if result.quota_remaining is None else result.quota_remaining,
        "run": result.run_id,
    }
