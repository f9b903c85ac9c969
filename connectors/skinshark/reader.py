"""Read SkinShark's routes: unwrap the envelope, and send `On-Behalf-Of` where a request is a sub-user's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from common.errors import SourceError, UserNotFound
from common.text import quote
from connectors.http.client import BodyReader, Client
from connectors.http.encoded_body import Decompress
from connectors.http.retry import RetryPolicy
from connectors.http.transport import Params
from connectors.skinshark.envelope import unwrap
from connectors.skinshark.sub_users import headers_for

_T = TypeVar("_T")
# Handles the content of an envelope, which the server sent at a time (UTC).
ContentHandler = Callable[[bytes, datetime], Awaitable[_T]]


class Reader:
    """Reads routes with `client`; `sub_user` is the one that a request may be sent for, None for nobody."""

    def __init__(self, client: Client, sub_user: str | None = None) -> None:
        self._client = client
        self.sub_user = sub_user

    async def read(
        self,
        route: str,
        params: Params,
        handle: ContentHandler[_T],
        *,
        for_sub_user: bool = False,
        cost: int = 1,
        retry: RetryPolicy | None = None,
    ) -> _T:
        """Return what `handle` makes of the content of `GET route`, which takes `cost` tokens.

        With `for_sub_user`, the header is sent. Raises ConfigError where the route does not take it, before
        anything is sent; UserNotFound where the sub-user is not the merchant's.
        """
        headers = headers_for(route, self.sub_user, self._client.source) if for_sub_user else {}
        read_body = self._build_body_reader(route, handle)
        try:
            response = await self._client.read(
                route, params, read_body, headers=headers, cost=cost, metered=False, retry=retry
            )
        except UserNotFound as error:
            error.detail = f"no sub-user of this merchant is {quote(self.sub_user or '')} (On-Behalf-Of)"
            raise
        return response.body

    def _build_body_reader(self, route: str, handle: ContentHandler[_T]) -> BodyReader[_T]:
        """Return a reader that unwraps the envelope for `handle` and keeps the id of the request.

        An error that `handle` raises gets the id, too.
        """

        async def read_body(decompress: Decompress, observed_at: datetime) -> _T:
            # in a thread: the whole listing is megabytes of JSON, which would block the event loop
            content = await asyncio.to_thread(lambda: unwrap(decompress(), route, self._client.source))
            self._client.request_id = content.request_id
            try:
                return await handle(content.data, observed_at)
            except SourceError as error:
                error.request_id = error.request_id or content.request_id
                raise

        return read_body
