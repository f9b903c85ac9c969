"""SkinShark as an ASGI application, and its control routes."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.asgi.app import ApiApp
from sandbox.core import Sandbox
from sandbox.http_types import ApiRequest, ApiResponse
from sandbox.skinshark.faults import Fault
from sandbox.skinshark.merchant import Merchant


class SkinsharkApp(ApiApp[Fault]):
    """Responds as SkinShark does, with the faults that are active."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox, sandbox.skinshark.requests, sandbox.skinshark.faults)

    def _key_name(self, request: ApiRequest) -> str | None:
        return request.headers.get("api-key", "")[-4:] or None

    def _respond(self, request: ApiRequest, faults: Sequence[Fault]) -> ApiResponse:
        self._sandbox.sync()
        return self._sandbox.skinshark.respond(request, faults)


async def control_skinshark(sandbox: Sandbox, request: Request) -> Response:
    """Add a fault, remove all faults (DELETE), or change the shape, the rule of On-Behalf-Of or the merchant.

    Responds with 400 to a wrong body.
    """
    if request.method == "DELETE":
        sandbox.skinshark.faults.clear()
        return JSONResponse(None)
    try:
        body = await request.json()
        if "fault" in body:
            sandbox.skinshark.fault(body.pop("fault"), **body)
        else:
            sandbox.skinshark.use_shape(body.pop("phases", sandbox.skinshark.shape))
            sandbox.skinshark.use_sub_user(body.pop("sub_user", sandbox.skinshark.sub_user))
            _change_merchant(sandbox.skinshark.merchant, body)
        return JSONResponse({"requests": len(sandbox.skinshark.requests)})
    except (ValueError, KeyError, TypeError) as error:
        return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 400)


def _change_merchant(merchant: Merchant, body: dict[str, str]) -> None:
    if "revoke" in body:
        merchant.revoke(body["revoke"])
    if "restore" in body:
        merchant.restore(body["restore"])
    merchant.change(state=body.get("state", merchant.state), tier=body.get("tier", merchant.tier))
