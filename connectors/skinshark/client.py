"""The HTTP client that speaks SkinShark's dialect."""

from collections.abc import Mapping

from common.errors import SourceError
from connectors.http.auth import ApiKeyAuth
from connectors.http.client import Client
from connectors.skinshark.envelope import classify


class SkinsharkClient(Client):
    """A client that sends the key in the `api-key` header and reads the errors in SkinShark's envelopes."""

    auth = ApiKeyAuth

    def classify(
        self,
        route: str,  # noqa: ARG002 - an error key means the same on every route
        status: int,
        body: bytes,
        headers: Mapping[str, str],
    ) -> SourceError | None:
        """Return the error that a response of SkinShark means, or None for a success."""
        return classify(status, body, headers, source=self.source)
