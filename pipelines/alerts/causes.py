"""What each cause of an alert means for people: how severe it is, and which command goes on from there."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from common.text import escape
from warehouse.state.alerts import Alert

Severity = Literal["failure", "warning", "success"]
DARK: Final = "provider.dark"


class CauseTraits(NamedTuple):
    """The severity of a cause while its alert is open, and the command that shows or ends the cause.

    In the command, {alert} is the number of the alert, {subject} its subject. `shows_key`: the alert is about
    the key of a source.
    """

    severity: Severity
    command: str
    shows_key: bool = False


# A failure loses data until somebody acts; a warning is about data that may be wrong or late.
TRAITS: Final[dict[str, CauseTraits]] = {
    "auth.failed": CauseTraits("failure", "floorline key status", shows_key=True),
    "quota.exhausted": CauseTraits("failure", "floorline plan"),
    "plan.forbids": CauseTraits("failure", "floorline plan"),
    "silence": CauseTraits("failure", "floorline doctor"),
    "snapshot.incomplete": CauseTraits("failure", "floorline gaps"),
    "landing.unreadable": CauseTraits("failure", "floorline maintain retry"),
    "channel.failed": CauseTraits("failure", "floorline alerts test"),
    DARK: CauseTraits("warning", "floorline alerts accept {alert}"),
    "catalog.doubted": CauseTraits("warning", "floorline alerts accept {alert}"),
    "contract.changed": CauseTraits("warning", "floorline rejects list"),
    "key.next": CauseTraits("warning", "floorline key status", shows_key=True),
    "clock.ahead": CauseTraits("warning", "floorline doctor"),
    "database.restored": CauseTraits("warning", "floorline doctor"),
    "warehouse.damaged": CauseTraits("failure", "floorline maintain verify"),
    "holdings.unreadable": CauseTraits("warning", "floorline config check"),
    "feed.silent": CauseTraits("warning", "floorline status"),
    "watch.warning": CauseTraits("warning", "floorline watches check {subject}"),
    "watch.failure": CauseTraits("failure", "floorline watches check {subject}"),
    "watch.broken": CauseTraits("warning", "floorline watches check {subject}"),
}


def traits_of(alert: Alert) -> CauseTraits:
    """Return the traits of an alert's cause; an unknown one, of another version, is a warning."""
    return TRAITS.get(alert.cause, CauseTraits("warning", "floorline alerts show {alert}"))


def severity_of(alert: Alert) -> Severity:
    """Return how severe an alert is now: that of its cause, or "success" once the alert is over."""
    return traits_of(alert).severity if alert.closed_at is None else "success"


def command_for(alert: Alert) -> str:
    """Return the command to run about an open alert."""
    traits = traits_of(alert)
    # A catalog without missing entries has no loss to accept.
    if alert.cause == "catalog.doubted" and alert.guidance is None:
        return "floorline doctor"
    return traits.command.format(alert=alert.alert_id, subject=escape(alert.subject))
