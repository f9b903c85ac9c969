"""The state in which a run ends, and the exit code of a command, as docs/commands.md lists them.

The command line needs them where nothing else can be imported: this module imports the errors only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from common.errors import (
    AuthRejected,
    ConfigError,
    FloorlineError,
    Intercepted,
    KeyMissing,
    OnHold,
    PlanForbids,
    QuotaExhausted,
    SourceError,
)
from common.warehouse_errors import (
    DatabaseUnreadable,
    ItemUnknown,
    QueryRejected,
    SealedMonthUnreadable,
    WarehouseUnusable,
)

DONE: Final = "done"
STATES: Final = (
    (AuthRejected, "auth_failed"),
    (QuotaExhausted, "quota_exhausted"),
    (PlanForbids, "plan_forbids"),
    # Neither the source nor the key has failed: the next run may work.
    (Intercepted, "incomplete"),
    (OnHold, "incomplete"),
)
EXIT_CODES: Final[Mapping[str, int]] = {
    "done": 0,
    "incomplete": 3,
    "auth_failed": 4,
    "quota_exhausted": 5,
    "plan_forbids": 5,
    "failed": 1,
    "unusable": 7,
    "cancelled": 130,
}


def run_state(error: SourceError | None, *, complete: bool) -> str:
    """Return the state of a run that ended with this error, or without one and with all shards or not."""
    if error is None:
        return DONE if complete else "incomplete"
    return next((state for kind, state in STATES if isinstance(error, kind)), "failed")


def worst_exit_code(codes: Iterable[int]) -> int:
    """Return the worst of several runs' exit codes: auth, plan, the rest, unusable, and incomplete."""
    found = set(codes)
    return next((code for code in (130, 4, 5, 2, 1, 7, 3) if code in found), 0)


def error_exit_code(error: FloorlineError) -> int:
    """Return the exit code of an error that ended a command before it had results."""
    # Damaged, which no configuration can change.
    if isinstance(error, DatabaseUnreadable | SealedMonthUnreadable):
        return 6
    if isinstance(error, WarehouseUnusable | QueryRejected | ItemUnknown | ConfigError | KeyMissing):
        return 2
    if not isinstance(error, SourceError):
        return 6
    return EXIT_CODES[run_state(error, complete=False)]
