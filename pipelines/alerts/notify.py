"""Delivery of alerts, once when they open and once when they are over: by Apprise and as Prefect events."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from common.text import sanitize
from warehouse.state.alerts import Alert, AlertStore

LOG = logging.getLogger("floorline")
# Mentions (@all, <!here>), HTML, addresses, :emoji:, links of Markdown, and formulas at the beginning.
ACTIVE: Final = re.compile(r"@(?=\S)|<(?=\S)|:(?=//)|:(?=[a-z_+-]+:)|(?<=\])\(|^[=+\-]", re.IGNORECASE)
BLOCK: Final = "block:"  # Prefect delivers to these entries by automations


def deliver(alerts: AlertStore, notify: Sequence[str], now: datetime) -> None:
    """Send every alert that opened or closed, once per channel; the next call retries what fails."""
    for channel in all_channels(notify):
        for alert in alerts.claim_undelivered(channel.key, now):
            if channel.send(alert):
                alerts.mark_delivered(alert, channel.key, now)
            else:
                LOG.warning("alert %s (%s) did not reach %s", alert.alert_id, alert.cause, channel.name)


def all_channels(notify: Sequence[str]) -> Iterator[AppriseChannel | PrefectEventChannel]:
    """Yield the channel of Prefect's events if this is a flow run, and the Apprise channels."""
    if _in_flow_run():
        yield PrefectEventChannel()
    yield from apprise_channels(notify)


def apprise_channels(notify: Sequence[str]) -> Iterator[AppriseChannel]:
    """Yield a channel for each entry that Floorline sends to, and not Prefect."""
    for index, entry in enumerate(notify):
        if not entry.startswith(BLOCK):
            yield AppriseChannel(index, entry)


class AppriseChannel:
    """Sends to one entry of `[alerts] notify` by Apprise.

    `key` identifies the channel in the store. `name` is for logs: the entry's URL may hold a password.
    """

    def __init__(self, index: int, entry: str) -> None:
        scheme = entry.partition(":")[0]
        # A hash, because the store must not have the password.
        self.key = hashlib.sha256(entry.encode()).hexdigest()[:12]
        self.name = f"notify[{index}] ({entry if scheme == 'env' else scheme})"
        self._url = os.environ.get(entry.removeprefix("env:"), "") if scheme == "env" else entry

    def send(self, alert: Alert) -> bool:
        """Send an alert; return whether it was accepted."""
        return self.send_text(title(alert), body(alert))

    def send_text(self, title: str, body: str) -> bool:
        """Send a message; return whether it was accepted."""
        import apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # its log lines show the URL
        sender = apprise.Apprise()
        return bool(sender.add(self._url)) and bool(
            sender.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT)
        )


class PrefectEventChannel:
    """Emits `floorline.CAUSE`, or `floorline.CAUSE.over`, for Prefect's automations."""

    key = name = "prefect"

    def send(self, alert: Alert) -> bool:
        """Hand the event to Prefect, which sends it in the background."""
        from prefect.events import emit_event

        over = "" if alert.closed_at is None else ".over"
        emit_event(
            f"floorline.{alert.cause}{over}",
            resource={
                "prefect.resource.id": f"floorline.source.{alert.source}",
                "prefect.resource.name": alert.source,
            },
            payload={
                "alert": alert.alert_id,
                "subject": disarm(alert.subject),
                "code": disarm(alert.code or ""),
                "run_id": alert.run_id,
                "title": title(alert),
                "message": body(alert),
            },
        )
        return True


def _in_flow_run() -> bool:
    if "prefect" not in sys.modules:  # a flow run has imported Prefect
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


def title(alert: Alert) -> str:
    """Return the title of a message: cause, source and subject."""
    event = alert.cause if alert.closed_at is None else f"{alert.cause} is over"
    about = ", ".join(part for part in (alert.source, alert.subject) if part)
    return disarm(f"[floorline] {event}: {about}", 200)


def body(alert: Alert) -> str:
    """Return the text of a message. Text from an API stays on one line each, without control characters."""
    since = f"since {alert.opened_at:%Y-%m-%d %H:%M:%S} UTC" if alert.opened_at else ""
    until = f" until {alert.closed_at:%Y-%m-%d %H:%M:%S} UTC" if alert.closed_at else ""
    lines = [alert.message, f"{since}{until}, {alert.repeats} repeats", f"alert {alert.alert_id}"]
    if alert.run_id:
        lines.append(f"run {alert.run_id}")
    return "\n".join(disarm(line, 1000) for line in lines)


def disarm(text: str, limit: int = 1000) -> str:
    r"""Return foreign text on one line, without mentions, links, HTML and formulas.

    The first character of such a thing becomes an escape that a configuration reads back: `\u0040everyone`.
    """
    line = sanitize(text, limit)
    return ACTIVE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
