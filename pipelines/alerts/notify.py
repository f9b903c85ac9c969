"""Telling people of alerts: once when one opens, once when it is over; by Apprise and as Prefect events."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, Protocol

from common.text import sanitize
from warehouse.state.alerts import Alert, AlertStore

LOG = logging.getLogger("floorline")
BLOCK: Final = "block:"  # these are Prefect's to tell; see alerts_apply


class Channel(Protocol):
    """A way to tell people. `key` tells it from the others, `name` is what may be shown of it."""

    key: str
    name: str

    def send(self, alert: Alert) -> bool:
        """Say what there is to say of an alert; False where it did not get through."""
        ...


def deliver(state: AlertStore, notify: Sequence[str], now: datetime) -> None:
    """Tell of every alert that opened or closed, each channel once; what fails is tried at the next call."""
    for channel in all_channels(notify):
        for alert in state.claim_undelivered(channel.key, now):
            if channel.send(alert):
                state.mark_delivered(alert, channel.key, now)
            else:
                LOG.warning("alert %s (%s) did not reach %s", alert.alert_id, alert.cause, channel.name)


def all_channels(notify: Sequence[str]) -> Iterator[Channel]:
    """Prefect's events, where this is a flow run, and the entries that Floorline itself sends to."""
    if _in_flow_run():
        yield PrefectEventChannel()
    yield from apprise_channels(notify)


def apprise_channels(notify: Sequence[str]) -> Iterator[AppriseChannel]:
    """The entries that Floorline itself sends to."""
    for place, entry in enumerate(notify):
        if not entry.startswith(BLOCK):
            yield AppriseChannel(place, entry)


class AppriseChannel:
    """Sends by Apprise what one entry of `[alerts] notify` says. Its URL may hold a password."""

    def __init__(self, place: int, entry: str) -> None:
        scheme = entry.partition(":")[0]
        self.key = hashlib.sha256(entry.encode()).hexdigest()[:12]
        self.name = f"notify[{place}] ({entry if scheme == 'env' else scheme})"
        self._url = os.environ.get(entry.removeprefix("env:"), "") if scheme == "env" else entry

    def send(self, alert: Alert) -> bool:
        """Say what there is to say of an alert; False where it did not get through."""
        return self.send_text(title(alert), body(alert))

    def send_text(self, title: str, body: str) -> bool:
        """Send a message; False where it did not get through."""
        import apprise

        # its own words would show the URL
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        sender = apprise.Apprise()
        return bool(sender.add(self._url)) and bool(
            sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT)
        )


class PrefectEventChannel:
    """Emits `floorline.CAUSE`, or `floorline.CAUSE.over`, for Prefect's automations."""

    key = name = "prefect"

    def send(self, alert: Alert) -> bool:
        """Hand the event to Prefect, which sends it when it can."""
        from prefect.events import emit_event

        over = "" if alert.closed_at is None else ".over"
        source = {"prefect.resource.id": f"floorline.source.{alert.source}"}
        payload = {
            "alert": alert.alert_id,
            "subject": alert.subject,
            "code": alert.code,
            "run_id": alert.run_id,
            "title": title(alert),
            "message": body(alert),
        }
        emit_event(
            f"floorline.{alert.cause}{over}",
            resource={**source, "prefect.resource.name": alert.source},
            payload=payload,
        )
        return True


def _in_flow_run() -> bool:
    if "prefect" not in sys.modules:  # whoever runs in one has imported it
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


def title(alert: Alert) -> str:
    """What happened, in a few words."""
    what = alert.cause if alert.closed_at is None else f"{alert.cause} is over"
    about = ", ".join(part for part in (alert.source, alert.subject) if part)
    return sanitize(f"[floorline] {what}: {about}")


def body(alert: Alert) -> str:
    """What happened and what to do; an API's words are shown on one line each."""
    since = f"since {alert.opened_at:%Y-%m-%d %H:%M:%S} UTC" if alert.opened_at else ""
    until = f" until {alert.closed_at:%Y-%m-%d %H:%M:%S} UTC" if alert.closed_at else ""
    lines = [alert.message, f"{since}{until}, {alert.repeats} repeats", f"alert {alert.alert_id}"]
    if alert.run_id:
        lines.append(f"run {alert.run_id}")
    return "\n".join(sanitize(line, 1000) for line in lines)
