"""Try the channels of alerts with a test message."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import datetime, timedelta
from typing import Final

from common.warehouse_errors import WarehouseError
from pipelines.alerts.channels import AppriseChannel, apprise_channels
from pipelines.alerts.notify import report_channel
from pipelines.config import Settings
from warehouse.state.alerts import AlertStore
from warehouse.state.database import open_state

TEST_TITLE: Final = "[floorline] test"
TEST_BODY: Final = "This is a test message: Floorline will send alerts like this one. Nothing is wrong."


@dataclasses.dataclass(frozen=True, slots=True)
class ChannelTrial:
    """A channel and why it failed, or None; `delivered_at` (UTC) of a delivery that is proof enough."""

    name: str
    failure: str | None
    delivered_at: datetime | None = None


def try_channels(
    settings: Settings, now: datetime, *, proven_for: timedelta = timedelta()
) -> list[ChannelTrial]:
    """Send a test message to each Apprise entry, but to those that delivered one within `proven_for`.

    In a warehouse that exists, the outcome is recorded: the alert of a channel that fails opens or ends.
    """
    channels = list(apprise_channels(settings.alerts.notify))
    state = open_state(settings.paths)
    alerts = AlertStore(state) if channels and state.exists() else None
    return [_try(channel, alerts, now, proven_for) for channel in channels]


def _try(
    channel: AppriseChannel, alerts: AlertStore | None, now: datetime, proven_for: timedelta
) -> ChannelTrial:
    delivered_at = alerts.last_delivery(channel.key) if alerts is not None else None
    if delivered_at is not None and timedelta() <= now - delivered_at < proven_for:
        return ChannelTrial(channel.name, None, delivered_at)
    failure = channel.send_text(TEST_TITLE, TEST_BODY)
    if alerts is not None:
        with contextlib.suppress(WarehouseError):  # of a full disk: the outcome is shown all the same
            report_channel(alerts, channel, failure, now)
            if failure is None:
                alerts.record_trial(channel.key, now)
    return ChannelTrial(channel.name, failure)
