"""The channels that Floorline itself sends alerts to: the Apprise entries of `[alerts] notify`."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pipelines.alerts.causes import Severity, severity_of

if TYPE_CHECKING:
    from apprise import NotifyBase

    from pipelines.alerts.messages import AlertMessage

ENTRY: Final = "notify["  # how the names of Apprise channels begin
BLOCK: Final = "block:"  # Prefect delivers to these entries by automations
APPRISE_LOGGER: Final = "apprise"
STATUS: Final = re.compile(r"error=(\d{3})\b")
# What Apprise's log lines say of a failure, and what we say; the lines themselves hold tokens and addresses.
FAILURES: Final = (
    (r"connection refused|\[errno 111\]|winerror 10061", "the connection is refused: nothing listens there"),
    (r"name or service|name resolution|getaddrinfo|nodename|resolve", "its host name is unknown"),
    (r"certificate|ssl|tls", "its certificate, or its encryption, is not accepted"),
    (r"timed? ?out", "it does not answer in time"),
    (r"authentic|credential|login|password", "it rejects the credentials"),
    (r"connection|socket|unreachable|network", "it cannot be reached"),
)
STATUSES: Final[Mapping[int, str]] = {
    401: "it rejects the credentials",
    403: "it rejects the credentials",
    404: "there is nothing at this address",
    410: "there is nothing at this address any more",
    413: "the message is too large for it",
    429: "it accepts no more messages for now",
}


class AppriseChannel:
    """Sends to one entry of `[alerts] notify` by Apprise.

    `key` identifies the channel in the store. `name` is for people: the entry's URL may hold a password.
    """

    def __init__(self, index: int, entry: str) -> None:
        scheme = entry.partition(":")[0]
        # A hash, because the store must not have the password.
        self.key = hashlib.sha256(entry.encode()).hexdigest()[:12]
        self.name = f"{ENTRY}{index}] ({entry if scheme == 'env' else scheme})"
        self._variable = entry.removeprefix("env:") if scheme == "env" else ""
        self._url = os.environ.get(self._variable, "") if self._variable else entry

    def send(self, message: AlertMessage) -> str | None:
        """Send an alert; return why it was not accepted, or None where it was."""
        severity = severity_of(message.alert)
        return self.send_text(message.title, message.body, severity=severity, fields=message.payload)

    def send_text(
        self,
        title: str,
        body: str,
        *,
        severity: Severity | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> str | None:
        """Send a message; return why it was not accepted, or None where it was.

        `fields` are added to the payload of a `json://` or `jsons://` entry; the other services have none.
        """
        import apprise

        if self._variable and not self._url:
            return f"the variable {self._variable} is not set"
        # The lines of Apprise show the URL: they reach no other log.
        logging.getLogger(APPRISE_LOGGER).propagate = False
        with apprise.LogCapture(level=logging.DEBUG, fmt="%(message)s") as lines:  # type: ignore[no-untyped-call]
            service = apprise.Apprise.instantiate(self._url)
            if not isinstance(service, apprise.NotifyBase):
                return "Apprise knows no such URL: see https://github.com/caronc/apprise/wiki"
            _add_fields(service, fields or {})
            sender = apprise.Apprise()
            sender.add(service)
            kind = apprise.NotifyType(severity or "info")
            sent = sender.notify(
                title=title, body=body, notify_type=kind, body_format=apprise.NotifyFormat.TEXT
            )
            return None if sent else _explain(lines.getvalue())


def apprise_channels(notify: Sequence[str]) -> Iterator[AppriseChannel]:
    """Yield a channel for each entry that Floorline sends to, and not Prefect."""
    for index, entry in enumerate(notify):
        if not entry.startswith(BLOCK):
            yield AppriseChannel(index, entry)


def describe_status(code: int) -> str:
    """Return an HTTP status with its meaning for a message that was not accepted."""
    meaning = STATUSES.get(code, "the service has a failure of its own" if code >= 500 else "")
    return f"HTTP {code}{f': {meaning}' if meaning else ''}"


def _add_fields(service: NotifyBase, fields: Mapping[str, Any]) -> None:
    """Add fields to the payload of a JSON webhook; those that its URL sets itself (`:NAME=`) stay."""
    from apprise.plugins.custom_json import NotifyJSON

    if isinstance(service, NotifyJSON):
        service.payload_extras = {**fields, **service.payload_extras}


def _explain(log: str) -> str:
    """Return why a message was not accepted, from Apprise's log lines, without a word of theirs."""
    if status := STATUS.search(log):
        return describe_status(int(status[1]))
    text = log.lower()
    return next(
        (reason for pattern, reason in FAILURES if re.search(pattern, text)), "the service did not accept it"
    )
