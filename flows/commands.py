"""What each command does, once its arguments are read."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from connectors.clock import SystemClock
from connectors.errors import ConfigError
from flows import show, show_status
from flows.burn import burns
from flows.config import load_settings
from flows.loading import load_and_publish
from flows.prefect_api import prefect_configured
from flows.progress import Progress, Silent
from flows.results import RunResult, exit_code
from flows.take import Snapshot
from warehouse.home import Home
from warehouse.landed import waiting
from warehouse.query import LAST_RUNS, ask
from warehouse.state import State

_T = TypeVar("_T")


def snapshot(
    names: tuple[str, ...],
    config: Path | None,
    *,
    as_json: bool,
    prefect: bool | None,
    quiet: bool,
    force: bool = False,
) -> int:
    """Take a snapshot and tell of it; the exit code."""
    settings = load_settings(config)
    with _watching(shown=sys.stderr.isatty() and not quiet) as progress:
        if prefect_configured() if prefect is None else prefect:
            results = _as_flow(names, config, progress, force=force)
        else:
            results = interruptible(Snapshot(settings, names, progress=progress, force=force).run())
    show.results(results, as_json=as_json)
    return exit_code(results)


@contextlib.contextmanager
def _watching(*, shown: bool) -> Iterator[Progress]:
    """Bars on stderr where a person watches; silence otherwise."""
    if not shown:
        yield Silent()
        return
    from rich.console import Console

    from flows.bars import bars

    with bars(Console(stderr=True)) as progress:
        yield progress


def _as_flow(
    names: tuple[str, ...], config: Path | None, progress: Progress, *, force: bool
) -> list[RunResult]:
    from prefect.exceptions import TerminationSignal

    from flows.snapshot import watched

    with watched(progress) as results:
        try:
            interruptible(_flow_run(names, config, results, force=force))
        except TerminationSignal:  # Prefect takes SIGTERM for itself
            end_stopped(143)
    return results


async def _flow_run(
    names: tuple[str, ...], config: Path | None, results: list[RunResult], *, force: bool
) -> None:
    """One flow run. What ended it before there were runs to tell of is raised."""
    from flows.snapshot import reach_prefect
    from flows.snapshot import snapshot as flow

    await reach_prefect()
    path = str(config) if config else None
    state = await flow(list(names) or None, path, force=force, return_state=True)
    if not results:
        await state.aresult()


def interruptible(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work`; SIGTERM stops it as Ctrl-C does, what arrived being landed, with exit code 143."""

    async def guarded() -> _T:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _stop, task, terminated)
        return await task

    terminated: list[bool] = []
    try:
        return asyncio.run(guarded())
    except (KeyboardInterrupt, asyncio.CancelledError):
        end_stopped(143 if terminated else 130)


def end_stopped(code: int) -> NoReturn:
    """End the process, which was told to stop, with this exit code."""
    show.complain("stopped; what had arrived is kept")
    raise SystemExit(code) from None


def _stop(task: asyncio.Future[Any], terminated: list[bool]) -> None:
    terminated.append(True)
    task.cancel()


def _home(config: Path | None) -> Home:
    return Home(load_settings(config).root)


def status(config: Path | None, *, as_json: bool) -> None:
    """Each basket's last run, the published copy, the landings that wait, the open alerts."""
    settings = load_settings(config)
    home = Home(settings.root)
    runs = ask(home, LAST_RUNS).records() if home.published.exists() else []
    alerts = State(home.state).alerts(open_only=True) if home.state.exists() else []
    published = (
        datetime.fromtimestamp(home.published.stat().st_mtime, UTC) if home.published.exists() else None
    )
    now = SystemClock().now()
    months = burns(settings, now)
    found = show_status.Status(runs, alerts, waiting(home.landing), published, now, months)
    show_status.status(settings, found, as_json=as_json)


def query(sql: str, config: Path | None, *, as_json: bool, as_csv: bool) -> None:
    """The answer to one query."""
    show.answer(ask(_home(config), sql), as_json=as_json, as_csv=as_csv)


def deployments(config: Path | None, to: Path, *, check: bool) -> int:
    """Write prefect.yaml, or see whether it is up to date; the exit code."""
    from flows.deployments import prefect_yaml

    text = prefect_yaml(load_settings(config), config)
    current = to.read_text("utf-8") if to.exists() else None
    if check:
        if current != text:
            show.complain(f"{to} is not what the configuration says: run `floorline deployments`")
        return int(current != text)
    if current != text:
        to.write_text(text, "utf-8")
    show.line(f"{to} is up to date")
    return 0


def export(to: Path, config: Path | None, *, as_json: bool) -> None:
    """One DuckDB file for a name that ends so, else a folder of Parquet files."""
    from warehouse.maintain import export_duckdb, export_parquet

    home = _home(config)
    if to.suffix in {".duckdb", ".db"}:
        export_duckdb(home, to)
        files = [to]
    else:
        files = list(export_parquet(home, to))
    show.files(files, as_json=as_json)


def sandbox(*, frozen: datetime | None, **options: Any) -> None:  # noqa: ANN401 - as Options has them
    """Serve until interrupted."""
    from sandbox.server import Options, run

    try:
        run(Options(**options, frozen=frozen.replace(tzinfo=UTC) if frozen else None))
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(f"the sandbox cannot be set up so: {error}") from None


def alerts_list(config: Path | None, *, as_json: bool, everything: bool) -> None:
    """The alerts."""
    home = _home(config)
    alerts = State(home.state).alerts(open_only=not everything) if home.state.exists() else []
    show.alerts(alerts, as_json=as_json)


def alerts_show(number: int, config: Path | None, *, as_json: bool) -> None:
    """One alert."""
    home = _home(config)
    found = State(home.state).alerts() if home.state.exists() else []
    chosen = [alert for alert in found if alert.alert_id == number]
    if not chosen:
        raise ConfigError(f"there is no alert {number}")
    show.alert(chosen[0], as_json=as_json)


def alerts_clear(number: int, config: Path | None) -> None:
    """Close one alert."""
    home = _home(config)
    if not home.state.exists() or not State(home.state).clear(number, SystemClock().now()):
        raise ConfigError(f"there is no open alert {number}")
    show.line(f"alert {number} is closed")


def rejects_list(config: Path | None, *, as_json: bool, limit: int) -> None:
    """The rejects that were not replayed."""
    found = ask(
        _home(config),
        "SELECT reject_id, observed_at, source, basket, currency, reason, raw FROM rejects"
        " WHERE replayed_run_id IS NULL ORDER BY observed_at DESC, reject_id LIMIT ?",
        [limit],
    )
    show.answer(found, as_json=as_json)


def rejects_replay(config: Path | None, *, as_json: bool) -> None:
    """Read the rejects again and load what fits by now."""
    from flows.replay import replay

    show.replayed(replay(load_settings(config), SystemClock()), as_json=as_json)


def maintain_load(config: Path | None, *, as_json: bool) -> None:
    """Load what waits."""
    settings = load_settings(config)
    Home(settings.root).prepare()
    show.loads(load_and_publish(settings, [], SystemClock()), as_json=as_json)


def maintain_rebuild(config: Path | None, *, as_json: bool, yes: bool) -> None:
    """Make the database anew, after saying what that loses."""
    import typer

    from flows.retype import retype
    from warehouse.maintain import rebuild, rebuildable

    home = _home(config)
    runs = rebuildable(home)
    if not runs:
        raise ConfigError(f"no landing is kept under {home.landing}: there is nothing to rebuild from")
    if not yes:
        oldest = runs[0].observed_from
        typer.confirm(
            f"{len(runs)} landings from {oldest:%Y-%m-%d %H:%M} UTC on make a new database; what is older"
            " stays in the old file only, which is put aside. Go on?",
            abort=True,
            err=True,
        )
    show.rebuilt(rebuild(home, SystemClock().now, retype=retype), as_json=as_json)
