"""BackfillOptions, and the requests that the options of `floorline backfill` come to."""

from __future__ import annotations

import asyncio
import dataclasses

from common.clock import SystemClock
from common.errors import ConfigError
from floorline import console
from floorline.cli.options import LATEST
from floorline.cli.render.gaps import gap_notes
from pipelines.backfill.gaps import fill_requests, find_gaps
from pipelines.backfill.pipeline import RESUMABLE_STATES
from pipelines.backfill.request import BackfillRequest, parse_request
from pipelines.backfill.sales import next_request
from pipelines.backfill.session import resolve_source
from pipelines.config import Settings
from warehouse.paths import WarehousePaths
from warehouse.state.backfills import BackfillStore


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillOptions:
    """The values of the options of `floorline backfill`."""

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
    def names_something(self) -> bool:
        """Whether the options say what to fetch."""
        return bool(self.start or self.end or self.items or self.providers or self.currency or self.interval)


def build_requests(options: BackfillOptions, settings: Settings) -> list[BackfillRequest]:
    """Return the requests to run: with `--gaps` one per gap, else one. Raises ConfigError."""
    if options.gaps and options.budget:
        raise ConfigError("--budget does not work with --gaps: fill one gap at a time (--from, --to)")
    if (options.resume or options.gaps) and options.names_something:
        option = "--resume" if options.resume else "--gaps"
        raise ConfigError(f"{option} already says what to fetch: leave out --from, --items and so on")
    if options.gaps:
        requests = _fill_gaps(settings)
    elif options.resume:
        requests = [_resume(settings, options.resume)]
    else:
        requests = [_new_request(options, settings)]
    return [request.model_copy(update={"budget": options.budget}) for request in requests]


def _new_request(options: BackfillOptions, settings: Settings) -> BackfillRequest:
    if options.series == "sales" and not options.names_something:
        return next_request(settings, resolve_source(settings, options.source), SystemClock().now())
    if not options.start:
        raise ConfigError("give the start (--from 2026-10-20), or --resume, or --gaps")
    if not options.items and options.series != "sales":
        raise ConfigError('give the items (--items "AK-47 | Redline (Field-Tested)", or --items all)')
    fields = ("start", "end", "currency", "source", "series", "interval")
    return parse_request(
        {
            **{name: getattr(options, name) for name in fields},
            "items": options.items or None,
            "providers": options.providers or None,
        }
    )


def _resume(settings: Settings, backfill_id: str) -> BackfillRequest:
    """Return the request of an unfinished backfill. Raises ConfigError if there is none to resume."""
    path = WarehousePaths(settings.root).state
    store = BackfillStore(path) if path.exists() else None
    if store is None:
        record = None
    elif backfill_id != LATEST:
        record = store.get(backfill_id)
    else:
        record = next((record for record in store.list_all() if record.state in RESUMABLE_STATES), None)
    if record is None:
        raise ConfigError("there is no backfill to resume: `floorline backfill list` shows all backfills")
    if record.state not in RESUMABLE_STATES:
        raise ConfigError(f"backfill {record.backfill_id} is {record.state}: there is nothing to resume")
    return BackfillRequest.model_validate(record.request)


def _fill_gaps(settings: Settings) -> list[BackfillRequest]:
    """Return the requests that fill the gaps; report lost gaps on stderr."""
    gaps = asyncio.run(find_gaps(settings, SystemClock(), on_request=console.print_error))
    for note in dict.fromkeys(note for gap in gaps if gap.parts("lost") for note in gap_notes(gap)):
        console.print_error(note)
    return fill_requests(settings, gaps)
