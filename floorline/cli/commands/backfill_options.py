"""Turn the options of `floorline backfill` into requests, and find earlier backfills."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from common.clock import SystemClock
from common.currencies import EXACT_CURRENCY
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
from warehouse.state.backfills import BackfillStore
from warehouse.state.database import open_state


def find_backfill_store(settings: Settings) -> BackfillStore | None:
    """Return the store of backfills; None if there is none yet."""
    return BackfillStore(settings.paths) if open_state(settings.paths).exists() else None


def build_requests(
    settings: Settings, fields: Mapping[str, Any], *, resume: str | None, gaps: bool, budget: int | None
) -> list[BackfillRequest]:
    """Return the requests to run: with `gaps` one per basket, else one. Raises ConfigError.

    `fields` are the fields of a BackfillRequest; those that the user has not set are None.
    """
    names_something = any(value for name, value in fields.items() if name not in {"series", "source"})
    if (resume or gaps) and names_something:
        option = "--resume" if resume else "--gaps"
        raise ConfigError(f"{option} already says what to fetch: leave out --from, --items and so on")
    if gaps:
        requests = _fill_gaps(settings)
    elif resume:
        requests = [_resume(settings, resume)]
    elif fields["series"] == "sales" and not names_something:
        source = resolve_source(settings, fields["source"])
        requests = [next_request(settings, source, SystemClock().now())]
    else:
        requests = [_new_request(fields)]
    return [request.model_copy(update={"budget": budget}) for request in requests]


def _new_request(fields: Mapping[str, Any]) -> BackfillRequest:
    if not fields["start"]:
        raise ConfigError("give the start (--from 2026-10-20), or --resume, or --gaps")
    if not fields["items"] and fields["series"] != "sales":
        raise ConfigError('give the items (--items "AK-47 | Redline (Field-Tested)", or --items all)')
    return parse_request(fields)


def _resume(settings: Settings, backfill_id: str) -> BackfillRequest:
    """Return the request of an unfinished backfill. Raises ConfigError if there is none to resume."""
    store = find_backfill_store(settings)
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
    request = BackfillRequest.model_validate(record.request)
    if request.currency.upper() != EXACT_CURRENCY:  # an older version began it
        raise ConfigError(
            f"backfill {record.backfill_id} is in {request.currency}, which the API rounds: end it with"
            f" `floorline backfill cancel {record.backfill_id}`, and begin one in {EXACT_CURRENCY}"
        )
    return request


def _fill_gaps(settings: Settings) -> list[BackfillRequest]:
    """Return the requests that fill the gaps; report lost gaps on stderr."""
    gaps = asyncio.run(find_gaps(settings, SystemClock(), on_request=console.print_error))
    for note in dict.fromkeys(note for gap in gaps if gap.parts("lost") for note in gap_notes(gap)):
        console.print_error(note)
    return fill_requests(settings, gaps)
