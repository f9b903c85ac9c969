"""The result of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from common.errors import (
    AuthRejected,
    ConfigError,
    KeyMissing,
    PlanForbids,
    QuotaExhausted,
    SourceError,
    SourceIntercepted,
    UserNotFound,
)
from common.text import escape, sanitize
from pipelines.exit_codes import DONE, EXIT_CODES
from warehouse.loading.rejects import UNUSABLE
from warehouse.loading.run import LoadReport

SHOWN: Final = 5  # entries of a catalog in a message
# They end every request of a source.
FATAL_SOURCE_ERRORS: Final = (AuthRejected, QuotaExhausted, PlanForbids, SourceIntercepted, UserNotFound)
CATALOG_NAMES: Final[Mapping[str, str]] = {
    "items": "the catalog of items",
    "providers": "the list of providers",
    "fx": "the table of exchange rates",
    "market_stats": "the table of market figures",
    "fees": "the table of the merchant's fees",
    "listings": "the list of offers",
    "account": "the account",
    "quota": "the set of quota headers",
}


@dataclasses.dataclass(frozen=True, slots=True)
class CatalogReport:
    """What was wrong with a catalog that a run requested, by its name in CATALOG_NAMES.

    `error` says why it could not be read, so that the last good one served. `missing` names entries of the
    last one that it lacked: they still count. `odd` says what of its entries could not be read.
    """

    name: str
    error: str = ""
    missing: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return all that was wrong, in one line; empty where nothing was."""
        what = CATALOG_NAMES[self.name]
        parts = [f"{what} cannot be read, and the last good one serves: {self.error}"] if self.error else []
        if self.missing:
            missing = shorten_list(tuple(map(escape, self.missing)), ", ")
            parts.append(f"{what} lacks {missing} and still has them from the last one")
        if self.odd:
            parts.append(f"{what} has entries that cannot be read: {shorten_list(self.odd, '; ')}")
        return "; ".join(parts)


def shorten_list(names: Sequence[str], separator: str) -> str:
    """Return the first few names in one line, and how many more there are."""
    more = [f"{len(names) - SHOWN:,} more"] if len(names) > SHOWN else []
    return separator.join([*(sanitize(name, 300) for name in names[:SHOWN]), *more])


@dataclasses.dataclass(frozen=True, slots=True)
class RunResult:
    """The run of one basket: its final state, its cost, and the report of its load once it is loaded.

    `key_tail` is the last four characters of the key if the key is long enough to show them; `request_id` is
    the source's id of the last request if the source gives one; `clock_skew` is how many seconds the source's
    clock was ahead of ours (negative: behind) at the most, None if the source reported no time. `catalogs`
    has the reports of the catalogs that were requested for this run.
    """

    run_id: str
    basket: str
    source: str
    state: str
    requests: int
    pages: int
    error: SourceError | None = None
    incomplete_reason: str | None = None
    quota_remaining: int | None = None
    unknown_fields: Mapping[str, int] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()
    load: LoadReport | None = None
    key_tail: str = ""
    request_id: str = ""
    clock_skew: float | None = None
    catalogs: tuple[CatalogReport, ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of a command with this run only."""
        # A missing key is an error of the configuration, although its state is auth_failed.
        return 2 if isinstance(self.error, ConfigError | KeyMissing) else EXIT_CODES[self.state]


def with_loads(results: Sequence[RunResult], loads: Sequence[LoadReport]) -> list[RunResult]:
    """Return the results, each with the report of its load, if it was loaded."""
    load_by_run = {load.run_id: load for load in loads}
    return [_with_load(result, load_by_run.get(result.run_id)) for result in results]


def _with_load(result: RunResult, load: LoadReport | None) -> RunResult:
    """Return the result with its load, and what only the load found out.

    These are the unknown fields in raw rows, and that every row was rejected or the landing set aside.
    """
    if load is None:
        return result
    unknown = {**result.unknown_fields, **load.unknown_fields}
    result = dataclasses.replace(result, load=load, unknown_fields=unknown)
    if result.state not in {DONE, "incomplete"} or (load.is_loaded and load.state != UNUSABLE):
        return result
    if load.state == "waiting":
        pending = f"its landing was not loaded yet: {load.reason}"
        return dataclasses.replace(result, state="incomplete", incomplete_reason=pending)
    reason = load.reason if load.state == UNUSABLE else f"its landing was set aside: {load.reason}"
    return dataclasses.replace(result, state=UNUSABLE, incomplete_reason=reason)


def loads_exit_code(loads: Iterable[LoadReport]) -> int:
    """Return the exit code of a command that only loads: 6 where a landing was not loaded."""
    return 0 if all(load.is_loaded for load in loads) else 6
