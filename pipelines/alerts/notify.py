"""Delivery of alerts, once when they open and once when they are over; a channel that fails is an alert."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from pipelines.alerts.channels import ENTRY, AppriseChannel, apprise_channels
from pipelines.alerts.prefect_channels import PrefectEventChannel, PrefectPageChannel, prefect_channels
from pipelines.config import Settings
from warehouse.state.alerts import Alert, AlertStore

LOG = logging.getLogger("floorline")
CHANNEL: Final = "channel.failed"
CHECK_CHANNEL: Final = "Correct the entry in [alerts] notify, or what it points to."
Channel = AppriseChannel | PrefectEventChannel | PrefectPageChannel


def deliver(settings: Settings, alerts: AlertStore, now: datetime) -> None:
    """Send every alert that opened or closed, once per channel; the next call retries what fails.

    A channel that fails raises an alert, which the other channels send at once.
    """
    channels = list(all_channels(settings.alerts.notify))
    _resolve_removed(alerts, channels, now)
    changed = [_deliver_to(channel, settings, alerts, now) for channel in channels]
    if any(changed):  # a channel has failed, or works again: the others have not sent that yet
        for channel in channels:
            _deliver_to(channel, settings, alerts, now)


def all_channels(notify: tuple[str, ...]) -> Iterator[Channel]:
    """Yield the channels of Prefect if this is a flow run, and the Apprise channels."""
    yield from prefect_channels()
    yield from apprise_channels(notify)


def report_channel(alerts: AlertStore, channel: Channel, failure: str | None, now: datetime) -> bool:
    """Raise the alert of a channel that failed, or resolve it for one that works; return if it changed."""
    if failure is None:
        return alerts.resolve(CHANNEL, "", channel.name, now=now)
    message = f"{channel.name} cannot be reached with alerts: {failure}"
    return alerts.raise_alert(Alert(CHANNEL, "", channel.name, message, guidance=CHECK_CHANNEL), now)


def _deliver_to(channel: Channel, settings: Settings, alerts: AlertStore, now: datetime) -> bool:
    """Send what one channel has not delivered; return whether its own alert opened or closed."""
    changed = False
    for alert in alerts.claim_undelivered(channel.key, now):
        from pipelines.alerts.messages import compose_message  # most runs have no alert to deliver

        # A channel tells nothing about itself: its failure ends with the next message that arrives.
        own = (alert.cause, alert.subject) == (CHANNEL, channel.name)
        failure = None if own else channel.send(compose_message(alert, settings))
        if failure is None:
            alerts.mark_delivered(alert, channel.key, now)
        else:
            LOG.warning(
                "alert %s (%s) did not reach %s: %s", alert.alert_id, alert.cause, channel.name, failure
            )
        if not own:
            changed |= report_channel(alerts, channel, failure, now)
    return changed


def _resolve_removed(alerts: AlertStore, channels: Sequence[Channel], now: datetime) -> None:
    """Resolve the alerts of entries that the configuration does not have any more."""
    names = {channel.name for channel in channels}
    for alert in alerts.list_alerts(open_only=True):
        if alert.cause == CHANNEL and alert.subject.startswith(ENTRY) and alert.subject not in names:
            alerts.resolve(CHANNEL, "", alert.subject, now=now)
