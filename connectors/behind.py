"""What every connector tells of the client that it asks through."""

from connectors.client import Client
from connectors.throttle import Throttle


class BehindClient:
    """A source behind `client`; see `connectors.base.Connector`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def source(self) -> str:
        """The configured name of the source."""
        return self._client.source

    @property
    def requests(self) -> int:
        """Requests sent so far, retries included."""
        return self._client.requests

    @property
    def request_id(self) -> str:
        """The source's own id of the last request that it answered, where it gives such."""
        return self._client.request_id

    @property
    def quota_remaining(self) -> int | None:
        """Requests left in the month, as far as the source has told of one."""
        return self._client.quota_remaining

    @property
    def budget(self) -> Throttle:
        """The budget of the key: its pace, its month and its stream starts."""
        return self._client.throttle

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()
