"""The messages of alerts: a title and a text for people, and a payload with a schema version for programs.

Text of an API is untrusted: it stays on one line, and what a chat, a mail or a sheet acts upon is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from common.text import format_exact_duration, sanitize
from common.warehouse_errors import WarehouseError
from pipelines.alerts.causes import DARK, command_for, severity_of, traits_of
from pipelines.alerts.losses import MissedTime, find_missed_time
from pipelines.alerts.rows import describe_row, split_rows, summary_of
from pipelines.config import BasketSettings, Settings
from warehouse.paths import WarehousePaths
from warehouse.published import is_published
from warehouse.queries.runner import run_query
from warehouse.state.alerts import Alert

SCHEMA_VERSION: Final = 1  # of the payload; a field that changes its meaning or goes away raises it
# Mentions (@all, <!here>), HTML, addresses, :emoji:, links of Markdown, and formulas at the beginning.
ACTIVE: Final = re.compile(r"@(?=\S)|<(?=\S)|:(?=//)|:(?=[a-z_+-]+:)|(?<=\])\(|^[=+\-]", re.IGNORECASE)
DISPLAY_NAME: Final = "SELECT name FROM providers WHERE source = $source AND provider = $provider"
FILL_GAPS: Final = "floorline backfill --gaps --dry-run"


class AlertMessage(Struct, frozen=True):
    """An alert with what people need to know about it.

    `baskets` are the names of the baskets that it concerns. `keys` says where the key is, and where its
    place is configured; it is empty for an alert that is about no key. `missed` is the time that was not
    observed, once the alert is over.
    """

    alert: Alert
    baskets: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    missed: tuple[MissedTime, ...] = ()

    @property
    def title(self) -> str:
        """The severity, the cause, and in parentheses the source and the subject."""
        alert = self.alert
        event = alert.cause if alert.closed_at is None else f"{alert.cause} is over"
        about = ", ".join(part for part in (alert.source, alert.subject) if part)
        return disarm(f"[floorline] {severity_of(alert)}: {event}{f' ({about})' if about else ''}", 200)

    @property
    def body(self) -> str:
        """The text, with one line for each thing to know."""
        return "\n".join(disarm(line, 1000) for line in self._lines())

    @property
    def reason(self) -> str:
        """What happened, without what to do, and without rows."""
        return summary_of(self.alert).removesuffix(self.alert.guidance or "").rstrip()

    @property
    def rows(self) -> list[dict[str, str | None]]:
        """The rows that a watch found, by column."""
        _, rows = split_rows(self.alert)
        return [
            {disarm(name): None if value is None else disarm(value) for name, value in row.items()}
            for row in rows
        ]

    @property
    def command(self) -> str:
        """The command to run; empty where nothing is left to do."""
        if self.alert.closed_at is None:
            return command_for(self.alert)
        return FILL_GAPS if self.missed else ""

    @property
    def payload(self) -> dict[str, Any]:
        """The fields for programs, as docs/alerts.md describes them."""
        alert = self.alert
        duration = alert.closed_at - alert.opened_at if alert.closed_at and alert.opened_at else None
        return {
            "schema_version": SCHEMA_VERSION,
            "alert_id": alert.alert_id,
            "cause": alert.cause,
            "state": "open" if alert.closed_at is None else "over",
            "severity": severity_of(alert),
            "source": disarm(alert.source),
            "subject": disarm(alert.subject),
            "baskets": [disarm(name) for name in self.baskets],
            "code": disarm(alert.code or "") or None,
            "reason": disarm(self.reason),
            "guidance": disarm(alert.guidance or "") or None,
            "command": self.command or None,
            "key_reference": disarm(self.keys[0][0]) if self.keys else None,
            "opened_at": _iso(alert.opened_at),
            "closed_at": _iso(alert.closed_at),
            "duration_seconds": None if duration is None else round(duration.total_seconds()),
            "repeats": alert.repeats,
            "run_id": alert.run_id,
            "missed": [missed.as_json() for missed in self.missed],
            "rows": self.rows,
        }

    def _lines(self) -> Iterator[str]:
        alert = self.alert
        yield self.reason
        for row in self.rows:
            yield f"row: {describe_row(row)}"
        if self.baskets:
            yield f"baskets: {', '.join(self.baskets)}"
        if self.keys and alert.closed_at is None:
            yield f"key: {', '.join(f'{place} ({setting})' for place, setting in self.keys)}"
        if alert.guidance and alert.closed_at is None:
            yield f"what to do: {alert.guidance}"
        for missed in self.missed:
            yield f"not observed: {missed}"
        if self.command:
            yield f"command: {self.command}"
        yield _describe_time(alert)
        yield f"alert {alert.alert_id}{f', run {alert.run_id}' if alert.run_id else ''}"


def compose_message(alert: Alert, settings: Settings) -> AlertMessage:
    """Return the message of an alert; of one that is over, with what was not observed meanwhile."""
    paths = settings.paths
    baskets = concerned_baskets(alert, settings, _find_display_name(alert, paths))
    return describe_alert(alert, settings, baskets, find_missed_time(alert, baskets, paths))


def describe_alert(
    alert: Alert, settings: Settings, baskets: Sequence[BasketSettings], missed: Sequence[MissedTime] = ()
) -> AlertMessage:
    """Return an alert with the baskets that it concerns, and the place of the key in the configuration."""
    source = settings.sources.get(alert.source)
    settings_of_keys = ("key", "key_next") if alert.cause == "key.next" else ("key",)
    keys = tuple(
        (str(getattr(source, name)), f"{name} in [sources.{alert.source}]")
        for name in settings_of_keys
        if traits_of(alert).shows_key and hasattr(source, name)
    )
    return AlertMessage(alert, tuple(basket.name for basket in baskets), keys, tuple(missed))


def concerned_baskets(alert: Alert, settings: Settings, display_name: str = "") -> list[BasketSettings]:
    """Return the baskets that an alert concerns: its subject, or those of its provider or source.

    A basket names a provider by its key, which is the subject of the alert, or by its `display_name`.
    """
    of_source = [basket for basket in settings.baskets if basket.source == alert.source]
    if alert.cause == DARK:
        names = {"all", alert.subject.casefold(), display_name.casefold()}
        return [basket for basket in of_source if names & set(map(str.casefold, basket.providers))]
    named = [basket for basket in of_source if basket.name == alert.subject]
    is_of_basket = alert.cause in {"snapshot.incomplete", "silence", "contract.changed"}
    return named if is_of_basket else of_source


def disarm(text: str, limit: int = 1000) -> str:
    r"""Return foreign text on one line, without mentions, links, HTML and formulas.

    The first character of such a thing becomes an escape that a configuration reads back: `\u0040everyone`.
    """
    line = sanitize(text, limit)
    return ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _describe_time(alert: Alert) -> str:
    repeats = f"{alert.repeats:,} repeat{'' if alert.repeats == 1 else 's'}"
    if alert.opened_at is None:
        return repeats
    since = f"since {alert.opened_at:%Y-%m-%d %H:%M:%S} UTC"
    if alert.closed_at is None:
        return f"{since}, {repeats}"
    lasted = format_exact_duration(alert.closed_at - alert.opened_at)
    return f"lasted {lasted}: {since} until {alert.closed_at:%Y-%m-%d %H:%M:%S} UTC, {repeats}"


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _find_display_name(alert: Alert, paths: WarehousePaths) -> str:
    """Return the display name of the provider that is the subject of an alert; empty where none is known."""
    if alert.cause != DARK or not is_published(paths):
        return ""
    try:
        found = run_query(paths, DISPLAY_NAME, {"source": alert.source, "provider": alert.subject})
    except WarehouseError:  # the message goes out without the baskets that use the display name
        return ""
    return next((name for (name,) in found.rows if name), "")
