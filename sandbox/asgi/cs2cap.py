"""CS2Cap with its faults as an ASGI application."""

from collections.abc import Sequence
from datetime import timedelta
from email.utils import format_datetime

from sandbox.asgi.app import ApiApp
from sandbox.core import Sandbox
from sandbox.cs2cap import faults as cs2cap_faults
from sandbox.cs2cap.fault_effects import apply_faults
from sandbox.cs2cap.faults import Fault
from sandbox.cs2cap.feed.connection import FeedConnection
from sandbox.cs2cap.feed.faults import FeedFaults
from sandbox.http_types import ApiRequest, ApiResponse


class Cs2capApp(ApiApp[Fault]):
    """Responds as CS2Cap does, with the faults that are active."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, sandbox.requests, sandbox.faults)

    def _key_name(self, request: ApiRequest) -> str | None:
        return self._sandbox.keys.name(request.authorization)

    def _respond(self, request: ApiRequest, faults: Sequence[Fault]) -> ApiResponse:
        for fault in faults:
            apply_market_fault(self._sandbox, fault, request)
        self._sandbox.sync()
        response = cs2cap_faults.replacement_response(faults)
        if response is None:
            response = self._sandbox.api.respond(cs2cap_faults.strip_offset(request, faults))
        if isinstance(response.feed, FeedConnection):
            response.feed.faults = FeedFaults(faults)
        return apply_faults(response, faults, request)

    def _date(self, faults: Sequence[Fault]) -> str:
        skew = sum(fault.number("seconds", 0) for fault in faults if fault.kind == "skewed_date")
        return format_datetime(self._sandbox.clock.now() + timedelta(seconds=skew), usegmt=True)


def apply_market_fault(sandbox: Sandbox, fault: Fault, request: ApiRequest) -> None:
    """Apply a fault that changes the market or revokes the key, at once.

    Rows appear and vanish at the fault's `provider` and `item_ids`, by default at the only provider of the
    request.
    """
    requested = request.all("providers")
    provider = fault.text("provider") or (requested[0] if len(requested) == 1 else None)
    if fault.kind in {"rows_appear", "rows_vanish"}:
        change = sandbox.appear if fault.kind == "rows_appear" else sandbox.vanish
        change(int(fault.number("n", 1)), provider=provider, item_ids=fault.numbers("item_ids"))
        sandbox.refresh()
    elif fault.kind == "dark":
        sandbox.set_provider_dark(fault.text("provider"))
    elif fault.kind == "revoke_key":
        sandbox.keys.revoke_bearer(request.authorization)
