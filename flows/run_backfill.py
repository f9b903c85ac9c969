"""What the commands `floorline backfill ...` do, once their arguments are read."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from connectors.clock import SystemClock
from connectors.errors import ConfigError
from flows import show, show_backfill
from flows.backfill import UNDER_WAY, Backfill
from flows.backfill_commands import LATEST
from flows.backfill_plan import BackfillPlan
from flows.backfill_progress import BackfillProgress, Unwatched
from flows.backfill_request import BackfillRequest, parse_request
from flows.backfill_results import BackfillResult
from flows.backfill_source import source_named
from flows.commands import end_stopped, interruptible
from flows.config import Settings, load_settings
from flows.prefect_api import prefect_configured
from warehouse.backfills import Backfill as Record
from warehouse.backfills import Backfills
from warehouse.home import Home

# The worst of several runs comes first.
GRAVITY: Final = (130, 4, 5, 2, 1, 3)
# What would befall the next one, too.
STOPS: Final = frozenset({130, 4, 5})


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """What the command line said."""

    start: str | None
    end: str | None
    items: tuple[str, ...]
    providers: tuple[str, ...]
    currency: str | None
    source: str | None
    series: str
    interval: str | None
    budget: int | None
    resume: str | None
    gaps: bool

    @property
    def chosen(self) -> bool:
        """Whether it says what to fetch."""
        return bool(self.start or self.end or self.items or self.providers or self.currency or self.interval)


def run(asked: Asked, config: Path | None, *, as_json: bool, prefect: bool | None, quiet: bool) -> int:
    """Fill the past and tell of it; the exit code."""
    settings = load_settings(config)
    requests = requests_of(asked, settings)
    flows = prefect_configured() if prefect is None else prefect
    announce = _unsaid if quiet or as_json else show_backfill.announce
    results: list[BackfillResult] = []
    with _watching(shown=sys.stderr.isatty() and not quiet) as progress:
        for request in requests:
            if flows:
                results += _as_flow(request, config, progress)
            else:
                one = Backfill(settings, request, progress=progress, announce=announce)
                results.append(interruptible(one.run()))
            if results[-1].exit_code in STOPS:
                break
    show_backfill.results(results, as_json=as_json, several=asked.gaps)
    return next((code for code in GRAVITY if code in {result.exit_code for result in results}), 0)


def dry_run(asked: Asked, config: Path | None, *, as_json: bool) -> int:
    """Show what it would fetch and cost; 0 if the month can hold it, else 5."""
    settings = load_settings(config)
    plans = [asyncio.run(Backfill(settings, one).plan()) for one in requests_of(asked, settings)]
    show_backfill.plans(plans, as_json=as_json, several=asked.gaps)
    return 0 if all(plan.fits for plan in plans) else 5


def requests_of(asked: Asked, settings: Settings) -> list[BackfillRequest]:
    """What to fetch, as the model has it: several for `--gaps`. Raises ConfigError."""
    if asked.gaps and asked.budget:
        raise ConfigError("--gaps fills several gaps one after another: cap them one by one (--from, --to)")
    if (asked.resume or asked.gaps) and asked.chosen:
        option = "--resume" if asked.resume else "--gaps"
        raise ConfigError(f"{option} says what to fetch: leave out what else does (--from, --items ...)")
    if asked.gaps:
        found = _gaps(settings)
    elif asked.resume:
        found = [_resumed(settings, asked.resume)]
    else:
        found = [_plain(asked, settings)]
    return [request.model_copy(update={"budget": asked.budget}) for request in found]


def listing(config: Path | None, *, as_json: bool) -> None:
    """All backfills."""
    books = _books(config)
    found = books.listing() if books else []
    show_backfill.listing([(one, _holder(books, one)) for one in found], as_json=as_json)


def show_one(backfill_id: str, config: Path | None, *, as_json: bool) -> None:
    """One backfill with its shards."""
    books = _known(config, backfill_id)
    found = books.find(backfill_id)
    show_backfill.one(found, books.shards(backfill_id), _holder(books, found), as_json=as_json)


def cancel(backfill_id: str, config: Path | None, *, as_json: bool) -> None:
    """Give one up. Raises ConfigError for one that is done."""
    books = _known(config, backfill_id)
    if books.find(backfill_id).state == "done":
        raise ConfigError(f"backfill {backfill_id} is done: there is nothing to cancel")
    holder = books.running(backfill_id)
    show_backfill.cancelled(books.cancel(backfill_id), holder, as_json=as_json)


def _plain(asked: Asked, settings: Settings) -> BackfillRequest:
    if asked.series == "sales" and not asked.chosen:
        from flows.sales import next_read

        return next_read(settings, source_named(settings, asked.source), SystemClock().now())
    if not asked.start:
        raise ConfigError("say from when on (--from 2026-10-20), or --resume, or --gaps")
    if not asked.items and asked.series != "sales":
        raise ConfigError('say which items (--items "AK-47 | Redline (Field-Tested)"; all for every one)')
    fields = ("start", "end", "currency", "source", "series", "interval")
    return parse_request(
        {
            **{name: getattr(asked, name) for name in fields},
            "items": asked.items or None,
            "providers": asked.providers or None,
        }
    )


def _resumed(settings: Settings, backfill_id: str) -> BackfillRequest:
    """What a backfill that did not come to its end was asked for. Raises ConfigError."""
    home = Home(settings.root)
    books = Backfills(home.state) if home.state.exists() else None
    if backfill_id != LATEST and books is not None:
        found: Record | None = books.find(backfill_id)
    else:
        found = next((one for one in books.listing() if one.state in UNDER_WAY), None) if books else None
    if found is None:
        raise ConfigError(
            "there is no backfill to go on with: `floorline backfill list` shows those there are"
        )
    if found.state not in UNDER_WAY:
        raise ConfigError(f"backfill {found.backfill_id} is {found.state}: there is nothing to go on with")
    return BackfillRequest.model_validate(found.request)


def _gaps(settings: Settings) -> list[BackfillRequest]:
    """What fills the gaps; those that cannot be filled are told of."""
    from flows import gaps, show_gaps

    found = asyncio.run(gaps.find_gaps(settings, SystemClock(), tell=show.complain))
    for remark in dict.fromkeys(told for gap in found if gap.of("lost") for told in show_gaps.remarks(gap)):
        show.complain(remark)
    return gaps.requests_of(settings, found)


def _as_flow(
    request: BackfillRequest, config: Path | None, progress: BackfillProgress
) -> list[BackfillResult]:
    from prefect.exceptions import TerminationSignal

    from flows.backfill_flow import watched

    with watched(progress) as results:
        try:
            interruptible(_flow_run(request, config, results))
        except TerminationSignal:  # Prefect takes SIGTERM for itself
            end_stopped(143)
    return results


async def _flow_run(request: BackfillRequest, config: Path | None, results: list[BackfillResult]) -> None:
    """One flow run. What ended it before there was a result to tell of is raised."""
    from flows.backfill_flow import backfill
    from flows.snapshot import reach_prefect

    await reach_prefect()
    state = await backfill(request, str(config) if config else None, return_state=True)
    if not results:
        await state.aresult()


@contextlib.contextmanager
def _watching(*, shown: bool) -> Iterator[BackfillProgress]:
    """A bar on stderr where a person watches; silence otherwise."""
    if not shown:
        yield Unwatched()
        return
    from rich.console import Console

    from flows.backfill_progress import backfill_bar

    with backfill_bar(Console(stderr=True)) as progress:
        yield progress


def _books(config: Path | None) -> Backfills | None:
    home = Home(load_settings(config).root)
    return Backfills(home.state) if home.state.exists() else None


def _known(config: Path | None, backfill_id: str) -> Backfills:
    books = _books(config)
    if books is None:
        raise ConfigError(f"there is no backfill {backfill_id!r}: none was begun yet")
    return books


def _holder(books: Backfills | None, found: Record) -> str | None:
    """Who runs it at this moment."""
    return books.running(found.backfill_id) if books and found.state == "running" else None


def _unsaid(_plan: BackfillPlan) -> None:
    """Say nothing of a plan."""
