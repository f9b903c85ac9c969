"""The HTTP client that speaks CS2Cap's dialect."""

from collections.abc import Mapping

from common.errors import SourceError
from connectors.cs2cap.errors import classify
from connectors.http.auth import BearerAuth
from connectors.http.client import Client
from connectors.http.errors import ErrorBody


class Cs2capClient(Client):
    """A client that sends the key as a bearer token and reads CS2Cap's error codes."""

    auth = BearerAuth

    def classify(
        self, route: str, status: int, *, body: ErrorBody, headers: Mapping[str, str]
    ) -> SourceError | None:
        """Return the error that a response of CS2Cap means, or None for a success."""
        return classify(route, status, body, headers=headers, source=self.source)
