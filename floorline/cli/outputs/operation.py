"""The results of the commands about alerts, keys, files and the server."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime

from floorline.cli.outputs import copy_fields
from floorline.keys.status import KeyStatus
from pipelines.alerts.causes import severity_of
from pipelines.alerts.losses import MissedTime
from pipelines.alerts.messages import AlertMessage
from pipelines.alerts.rows import summary_of
from warehouse.state.alerts import Alert


@dataclasses.dataclass(frozen=True, slots=True)
class KeyOutput:
    """The state of one key: `key` is its place in the configuration, `problem` why it is not accepted.

    Limits and usage are null where the source does not tell them. `days_left` are the days until
    `expires_at`, negative after it.
    """

    source: str
    key: str
    key_tail: str
    accepted: bool
    problem: str | None
    tier: str | None
    sub_key: bool
    limit_per_minute: int | None
    limit_per_month: int | None
    requests_used: int | None
    expires_at: datetime | None
    days_left: float | None

    @classmethod
    def from_status(cls, status: KeyStatus) -> KeyOutput:
        """Return a status as it is printed."""
        return cls(
            **copy_fields(
                cls,
                status,
                limit_per_minute=status.requests_per_minute,
                limit_per_month=status.requests_per_month,
                requests_used=status.used,
            )
        )


@dataclasses.dataclass(frozen=True, slots=True)
class AcceptedLossOutput:
    """An alert that is closed because its loss is accepted: what is lost of `subject`, in numbers.

    `quotes_closed` are quotes of a marketplace, `entries_dropped` entries of a catalog.
    """

    alert_id: int
    cause: str
    subject: str
    quotes_closed: int
    entries_dropped: int


@dataclasses.dataclass(frozen=True, slots=True)
class AlertOutput(Alert):
    """An alert and what it means: its severity, the baskets that it concerns, and the command to run.

    `key_reference` says where the key is, for an alert about a key. `missed` is the time that its baskets
    were not observed, once it is over. `rows` are the first rows of a watch, each value as text.
    """

    severity: str = ""
    baskets: tuple[str, ...] = ()
    key_reference: str | None = None
    command: str | None = None
    missed: tuple[MissedTime, ...] = ()
    rows: tuple[Mapping[str, str | None], ...] = ()

    @classmethod
    def of(cls, message: AlertMessage) -> AlertOutput:
        """Return an alert as it is printed."""
        return cls(
            **{**dataclasses.asdict(message.alert), "message": summary_of(message.alert)},
            severity=severity_of(message.alert),
            baskets=message.baskets,
            key_reference=message.keys[0][0] if message.keys else None,
            command=message.command or None,
            missed=message.missed,
            rows=tuple(message.rows),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class ChannelOutput:
    """A recipient of alerts, whether a test message was sent to it, and why not."""

    name: str
    sent: bool
    failure: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class SilenceOutput:
    """The baskets that had no success for three of their intervals."""

    silent: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class AutomationOutput:
    """An automation of Prefect, and what was `done` with it."""

    name: str
    done: str


@dataclasses.dataclass(frozen=True, slots=True)
class PageOutput:
    """The address of Prefect's page, and the password that it asks for.

    `dashboard` is the address of the dashboard, which asks for none; null where `floorline up` runs none.
    """

    page: str
    password: str | None
    dashboard: str | None


@dataclasses.dataclass(frozen=True, slots=True)
class FilesOutput:
    """The files that were written."""

    files: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class DeploymentsOutput:
    """The file of the deployments: whether it was written, and whether it is up to date now."""

    file: str
    written: bool
    up_to_date: bool
