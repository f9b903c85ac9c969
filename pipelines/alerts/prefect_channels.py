"""The channels of a flow run: Prefect's events, for its automations, and a page for each alert."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.alerts.causes import severity_of
from warehouse.state.alerts import PAGE_CHANNEL

if TYPE_CHECKING:
    from pipelines.alerts.messages import AlertMessage


def prefect_channels() -> Iterator[PrefectEventChannel | PrefectPageChannel]:
    """Yield the channels of the current flow run; none outside of one."""
    if "prefect" not in sys.modules:  # a flow run has imported Prefect
        return
    from prefect.context import FlowRunContext

    if FlowRunContext.get() is not None:
        yield PrefectEventChannel()
        yield PrefectPageChannel()


class PrefectEventChannel:
    """Emits `floorline.CAUSE`, or `floorline.CAUSE.over`, for Prefect's automations."""

    key = name = "prefect"

    def send(self, message: AlertMessage) -> str | None:
        """Hand the event to Prefect, which sends it in the background."""
        from prefect.events import emit_event

        alert = message.alert
        over = "" if alert.closed_at is None else ".over"
        emit_event(
            f"floorline.{alert.cause}{over}",
            resource={
                "prefect.resource.id": f"floorline.source.{alert.source}",
                "prefect.resource.name": alert.source,
            },
            payload={**message.payload, "title": message.title, "message": message.body},
        )
        return None


class PrefectPageChannel:
    """Publishes the page of an alert, a markdown artifact; its newest version says when the alert is over."""

    key = PAGE_CHANNEL
    name = "the alert's page in Prefect"

    def send(self, message: AlertMessage) -> str | None:
        """Publish the page; return why Prefect did not take it, or None where it did."""
        from prefect.artifacts import create_markdown_artifact

        alert = message.alert
        title = f"{alert.cause}{'' if alert.closed_at is None else ' is over'}"
        try:
            # Prefect decides by the flow, which is async; a thread of it is not.
            create_markdown_artifact(  # type: ignore[call-arg]
                key=page_key(alert.cause, alert.source, alert.subject),
                markdown=f"# {title}\n\n{_as_list(message.body)}\n",
                description=f"{severity_of(alert)}: {title}",
                _sync=True,
            )
        except Exception as error:  # noqa: BLE001 - the run must not fail because a page is not shown
            return type(error).__name__
        return None


def page_key(cause: str, source: str, subject: str = "") -> str:
    """Return the key of an alert's page, as Prefect allows it: lower-case letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(("alert", cause, source, subject)).lower()).strip("-")


def _as_list(body: str) -> str:
    """Return the lines of a message as a list of code spans: Markdown does nothing with foreign text."""
    return "\n".join(f"- `` {line.replace('`', chr(39))} ``" for line in body.splitlines())
