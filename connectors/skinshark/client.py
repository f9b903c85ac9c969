"""The HTTP client that speaks SkinShark's dialect."""

from collections.abc import Mapping

from common.errors import RouteForbidden, SourceError
from connectors.http.auth import ApiKeyAuth
from connectors.http.client import Client
from connectors.http.errors import ErrorBody
from connectors.skinshark.envelope import classify


class SkinsharkClient(Client):
    """A client that sends the key in the `api-key` header and reads the errors in SkinShark's envelopes."""

    auth = ApiKeyAuth

    def classify(
        self, route: str, status: int, *, body: ErrorBody, headers: Mapping[str, str]
    ) -> SourceError | None:
        """Return the error that a response of SkinShark means, or None for a success."""
        error = classify(status, body, headers, source=self.source)
        if isinstance(error, RouteForbidden):
            error.detail = f"{route}: {error.detail}"
        return error
