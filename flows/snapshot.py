"""The market snapshot as a Prefect flow: a task a shard, one that loads; a rejected key fails it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, task
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Failed

from connectors.errors import ConfigError
from flows.alerts import OF_STATE
from flows.config import load_settings
from flows.fetch import FetchShard
from flows.progress import Progress, Silent
from flows.results import RunResult
from flows.take import Settle, Snapshot
from warehouse.load import LoadReport

# The names of the states, all of type FAILED, by what befell a run; the first that did counts.
NAMES = {
    "auth_failed": "AuthFailed",
    "quota_exhausted": "QuotaExhausted",
    "plan_forbids": "PlanForbids",
    "failed": "Failed",
    "incomplete": "Incomplete",
}

# What a caller in this process wants to see of a flow run; parameters would end up in Prefect's database.
_progress: ContextVar[Progress] = ContextVar("progress", default=Silent())  # noqa: B039 - it has no state
_results: ContextVar[list[RunResult] | None] = ContextVar("results", default=None)


@contextmanager
def watched(progress: Progress) -> Iterator[list[RunResult]]:
    """Show the progress of flow runs called inside, and collect their results."""
    results: list[RunResult] = []
    tokens = _progress.set(progress), _results.set(results)
    try:
        yield results
    finally:
        _progress.reset(tokens[0])
        _results.reset(tokens[1])


async def reach_prefect() -> None:
    """Raise ConfigError where a Prefect API is configured and does not answer."""
    url = PREFECT_API_URL.value()
    if not url:
        return
    async with get_client() as client:
        failure = await client.api_healthcheck()
    if failure is not None:
        raise ConfigError(f"no Prefect API answers at {url}: start it, or run with --no-prefect")


@flow(name="snapshot", persist_result=False, log_prints=False)
async def snapshot(baskets: list[str] | None = None, config: str | None = None) -> State[Any]:
    """Take a snapshot of these baskets (all of them by default) with the configuration at `config`.

    Ends as Completed, or as one of `NAMES`.
    """
    settings = load_settings(Path(config) if config else None)
    taking = Snapshot(settings, tuple(baskets or ()), progress=_progress.get())
    results = await taking.run(_as_task, _as_load_task)
    collected = _results.get()
    if collected is not None:
        collected.extend(results)
    await _report(results)
    states = {result.state for result in results}
    failed = next((name for state, name in NAMES.items() if state in states), None)
    message = "; ".join(f"{result.basket}: {_told(result)}" for result in results)
    return Failed(name=failed, message=message) if failed else Completed(message=message)


def _as_task(label: str, fetch: FetchShard) -> FetchShard:
    """The fetch of one shard as a task; it takes nothing and returns nothing, so nothing of it is stored."""
    return task(name=f"fetch {label}", persist_result=False, cache_policy=NO_CACHE)(fetch)


def _as_load_task(step: Settle) -> Settle:
    async def load_and_publish() -> Sequence[LoadReport]:
        return await step()

    return task(name="load and publish", persist_result=False, cache_policy=NO_CACHE)(load_and_publish)


async def _report(results: Sequence[RunResult]) -> None:
    """Logs, a table of the runs, and for each source that failed an event and a page that says what to do."""
    logger = get_run_logger()
    for result in results:
        logger.log(20 if result.exit_code == 0 else 40, "%s: %s", result.basket, _told(result))
    await acreate_table_artifact(
        table=[_row(result) for result in results], key="snapshot", description="What the runs came to"
    )
    for result in results:
        if result.state in OF_STATE:
            await _alert(result)


async def _alert(result: RunResult) -> None:
    cause = OF_STATE[result.state]
    error = result.error
    if error is None:
        return
    emit_event(
        event=f"floorline.{cause}",
        resource={
            "prefect.resource.id": f"floorline.source.{result.source}",
            "prefect.resource.name": result.source,
        },
        payload={
            "basket": result.basket,
            "run_id": result.run_id,
            "code": error.code,
            "key": f"…{result.key_tail}",
            "message": str(error),
        },
    )
    await acreate_markdown_artifact(
        key=f"alert-{cause.replace('.', '-')}",
        markdown=(
            f"# {cause}: {result.source}\n\n{error}\n\n"
            f"- code: `{error.code or type(error).__name__}`\n- key: `…{result.key_tail}`\n"
            f"- run: `{result.run_id}`\n"
            f"- what to do: {error.guidance}\n"
        ),
        description=f"{result.source} stopped: {error.code or type(error).__name__}",
    )


def _told(result: RunResult) -> str:
    if result.incomplete_reason:
        return f"{result.state}: {result.incomplete_reason}"
    load = result.load
    changed = f", {load.rows_fetched:,} rows, {load.rows_changed:,} changed" if load else ""
    return f"{result.state}: {result.requests} requests{changed}"


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
