"""BackfillOptions to BackfillRequest, --resume, --gaps."""

from __future__ import annotations

import asyncio
import dataclasses

from common.clock import SystemClock
from common.errors import ConfigError
from floorline import console
from floorline.cli.options import LATEST
from pipelines.backfill.pipeline import RESUMABLE_STATES
from pipelines.backfill.request import BackfillRequest, parse_request
from pipelines.backfill.session import resolve_source
from pipelines.config import Settings
from warehouse.paths import WarehousePaths
from warehouse.state.backfill_rows import BackfillRecord as Record
from warehouse.state.backfills import BackfillStore


@dataclasses.dataclass(frozen=True, slots=True)
class BackfillOptions:
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
    def names_something(self) -> bool:
        """Whether it says what to fetch."""
        return bool(self.start or self.end or self.items or self.providers or self.currency or self.interval)


def requests_of(asked: BackfillOptions, settings: Settings) -> list[BackfillRequest]:
    """What to fetch, as the model has it: several for `--gaps`. Raises ConfigError."""
    if asked.gaps and asked.budget:
        raise ConfigError("--gaps fills several gaps one after another: cap them one by one (--from, --to)")
    if (asked.resume or asked.gaps) and asked.names_something:
        option = "--resume" if asked.resume else "--gaps"
        raise ConfigError(f"{option} says what to fetch: leave out what else does (--from, --items ...)")
    if asked.gaps:
        found = _gaps(settings)
    elif asked.resume:
        found = [_from_record(settings, asked.resume)]
    else:
        found = [_from_options(asked, settings)]
    return [request.model_copy(update={"budget": asked.budget}) for request in found]


def _from_options(asked: BackfillOptions, settings: Settings) -> BackfillRequest:
    if asked.series == "sales" and not asked.names_something:
        from pipelines.backfill.sales import next_request

        return next_request(settings, resolve_source(settings, asked.source), SystemClock().now())
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


def _from_record(settings: Settings, backfill_id: str) -> BackfillRequest:
    """What a backfill that did not come to its end was asked for. Raises ConfigError."""
    home = WarehousePaths(settings.root)
    books = BackfillStore(home.state) if home.state.exists() else None
    if backfill_id != LATEST and books is not None:
        found: Record | None = books.get(backfill_id)
    else:
        found = (
            next((one for one in books.list_all() if one.state in RESUMABLE_STATES), None) if books else None
        )
    if found is None:
        raise ConfigError(
            "there is no backfill to go on with: `floorline backfill list` shows those there are"
        )
    if found.state not in RESUMABLE_STATES:
        raise ConfigError(f"backfill {found.backfill_id} is {found.state}: there is nothing to go on with")
    return BackfillRequest.model_validate(found.request)


def _gaps(settings: Settings) -> list[BackfillRequest]:
    """What fills the gaps; those that cannot be filled are told of."""
    from floorline.cli.render import gaps as render_gaps
    from pipelines.backfill import gaps

    found = asyncio.run(gaps.find_gaps(settings, SystemClock(), tell=console.print_error))
    for remark in dict.fromkeys(
        told for gap in found if gap.of("lost") for told in render_gaps.gap_notes(gap)
    ):
        console.print_error(remark)
    return gaps.fill_requests(settings, found)
