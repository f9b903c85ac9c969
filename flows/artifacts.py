"""What a flow run leaves in Prefect for people: a table, the progress of a long walk, and a page an alert."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from typing import Final, Protocol

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
from pipelines.alerts.rules import CAUSE_BY_STATE
from pipelines.backfill.results import BackfillResult
from pipelines.results import RunResult

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


async def publish_result(
    result: RunResult | BackfillResult, row: Mapping[str, object], *, key: str, description: str
) -> None:
    """Publish the table row of one result and, where an error stopped the source, an alert page."""
    await acreate_table_artifact(table=[dict(row)], key=key, description=description)
    if result.state in CAUSE_BY_STATE and result.error is not None:
        await _publish_alert(result, result.error)


def artifact_key(*parts: str) -> str:
    """A key as Prefect allows it: lower case, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")


async def _publish_alert(result: RunResult | BackfillResult, error: SourceError) -> None:
    """Publish a page that says what stopped a source and what to do, and a link to that page."""
    name, run_id = (
        (result.basket, result.run_id)
        if isinstance(result, RunResult)
        else (f"backfill {result.series}", result.backfill_id)
    )
    cause = CAUSE_BY_STATE[result.state]
    key = artifact_key("alert", cause, result.source)
    await acreate_markdown_artifact(
        key=key,
        markdown=(
            f"# {cause}: {result.source}\n\n{error}\n\n"
            f"- code: `{error.code or type(error).__name__}`\n- key: `…{result.key_tail}`\n"
            f"- run: `{run_id}`\n"
            f"- what to do: {error.guidance}\n"
        ),
        description=f"{result.source} stopped: {error.code or type(error).__name__}",
    )
    await acreate_link_artifact(
        link=f"{PREFECT_UI_URL.value() or ''}/artifacts/key/{key}",
        link_text=f"The alert {cause} of {result.source}",
        key=artifact_key("alert-of", name),
        description=f"Why {name} was not looked at",
    )
