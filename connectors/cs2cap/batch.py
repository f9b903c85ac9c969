"""Extract up to 100 items a request: build the requests, check the responses, parse them into pages."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Final, Self

import msgspec
from msgspec import Raw, Struct

from common.concurrency import gather_fail_fast
from common.errors import RequestRejected, UnexpectedResponse
from common.shards import ITEM_NOT_REQUESTED, Item
from common.text import escape, quote, sanitize
from connectors.base import ExtractResult
from connectors.cs2cap.contract import BOOK_SIDES, BookSide, Int64, NonEmptyStr, ResponseMeta
from connectors.cs2cap.parser import parse_rows
from connectors.cs2cap.query import (
    RequestedScope,
    check_currency,
    check_requested,
    is_unrequested,
    named_providers,
)
from connectors.cs2cap.typed_page import prebuilt_page
from connectors.decoding import PageDecoder, decode_each
from connectors.http.client import Client
from connectors.http.encoded_body import Decompress
from connectors.pages import PageSink, Reject, TypedPage, fingerprint_keys
from connectors.pagination import PageInfo
from connectors.schemas import quote_keys
from connectors.shards import BATCH_ITEMS, Shard


class _Item(Struct, gc=False):
    item_id: Int64
    market_hash_name: NonEmptyStr
    quotes: list[Raw]
    phase: str | None = None


class _BatchResponse(Struct):
    meta: ResponseMeta
    items: list[Raw]
    items_not_found: list[Raw]
    names_not_found: list[Raw] = []


_BATCH: Final = PageDecoder(_BatchResponse)
_ITEM: Final = PageDecoder(_Item)
_ID: Final = msgspec.json.Decoder(int)
_NAME: Final = msgspec.json.Decoder(str)
MAX_NAMES: Final = 5  # in an error


class BatchRequest(Struct, frozen=True):
    """One request for `items`: by id, so that a phase is not lost, or by name where an item has no id."""

    source: str
    side: BookSide
    number: int
    currency: str
    providers: tuple[str, ...]
    items: tuple[Item, ...]

    @property
    def ids(self) -> list[int]:
        """The ids of the items that have one."""
        return [int(item.item_id) for item in self.items if item.item_id is not None]

    @property
    def names(self) -> list[str]:
        """The names of the items without an id."""
        return [item.market_hash_name for item in self.items if item.item_id is None]

    @property
    def path(self) -> str:
        """The path of the route."""
        return f"{self.side.path}/batch"

    @property
    def body(self) -> bytes:
        """The request's JSON; without a list of providers, the API returns all of them."""
        lists = {"item_ids": self.ids, "market_hash_names": self.names, "providers": self.providers}
        filters = {name: values for name, values in lists.items() if values}
        return msgspec.json.encode({"currency": self.currency, **filters})

    @property
    def fingerprint(self) -> str:
        """A digest of the requested items, by which a resumed extraction recognises a landed page."""
        return fingerprint_keys(["batch", *map(str, self.ids), *self.names])


def split_into_batches(shard: Shard, source: str) -> Iterator[BatchRequest]:
    """Divide a shard into requests; raises RequestRejected for an item with a phase but without an id."""
    items = shard.items or ()
    without_id = next((item for item in items if item.item_id is None and item.phase is not None), None)
    if without_id is not None:
        problem = f"a batch request takes names without a phase, but {without_id.label} has no id"
        raise RequestRejected(problem, source)
    for number, start in enumerate(range(0, len(items), BATCH_ITEMS)):
        yield BatchRequest(
            source=source,
            side=BOOK_SIDES[shard.deliveries[0]],
            number=number,
            currency=shard.currency,
            providers=named_providers(shard),
            items=items[start : start + BATCH_ITEMS],
        )


class BatchExtraction:
    """The requests of a batch shard; each gives one page."""

    def __init__(self, client: Client, shard: Shard, sink: PageSink) -> None:
        self._client = client
        self._requests = list(split_into_batches(shard, client.source))
        self._sink = sink
        self._fetched = 0

    async def run(self, resume_pages: Sequence[TypedPage]) -> ExtractResult:
        """Fetch and land the pages that `resume_pages` lacks.

        Raises RequestRejected, after every page is landed, where the API does not know a name.
        """
        # The plan may have changed since: a landed page counts only for the same items at the same number.
        landed = {(page.request, page.fingerprint): page for page in resume_pages}
        infos = await gather_fail_fast(
            *(
                self._fetch_or_resume(request, landed.get((request.number, request.fingerprint)))
                for request in self._requests
            )
        )
        if unknown := [name for info in infos for name in info.unknown_names]:
            names = ", ".join(map(quote, unknown[:MAX_NAMES])) + ("…" if len(unknown) > MAX_NAMES else "")
            raise RequestRejected(
                f"{self._requests[0].path}: unknown item names: {names}", self._client.source
            )
        rows = sum(info.distinct_rows for info in infos)
        return ExtractResult(self._fetched, rows, rounds=0)

    async def _fetch_or_resume(self, request: BatchRequest, landed: TypedPage | None) -> PageInfo:
        if landed is not None:
            keys = quote_keys(landed.rows)
            info = PageInfo(0, BATCH_ITEMS, total=-1, keys=keys, fingerprint=landed.fingerprint)
            return await self._sink(partial(prebuilt_page, landed, info))

        async def land(decompress: Decompress, observed_at: datetime) -> PageInfo:
            return await self._sink(partial(parse_batch_page, request, decompress, observed_at))

        response = await self._client.query(request.path, request.body, land)
        self._fetched += 1
        return response.body


def parse_batch_page(
    request: BatchRequest, decompress: Decompress, observed_at: datetime
) -> tuple[TypedPage, PageInfo]:
    """Parse the only page of `request`, which the server sent at `observed_at` (UTC); its total is -1.

    Raises UnexpectedResponse, and ConnectionLost where the body is truncated.
    """
    response = _BATCH.decode_response(decompress(), route=request.path, source=request.source)
    check_currency(response.meta.currency, request.currency, request.source)
    batch = _Batch.of(response, request)
    _check(request, batch)
    raws = [raw for item in batch.items for raw in _flatten(item)]
    parsed = parse_rows(raws, request.side, request.source, RequestedScope(frozenset(request.providers)))
    page = TypedPage(
        request=request.number,
        offset=0,
        total=-1,
        observed_at=observed_at,
        rows=parsed.rows,
        rejects=(*batch.odd_entries, *parsed.rejects),
        unknown_fields=parsed.unknown_fields,
        # without a fingerprint a resumed extraction sends the request again, and reports the unknown names
        fingerprint="" if batch.names_not_found else request.fingerprint,
    )
    info = PageInfo(
        offset=0,
        limit=BATCH_ITEMS,
        total=-1,
        keys=parsed.keys,
        fingerprint=page.fingerprint,
        others=parsed.others + len(batch.odd_entries),
        repeats=parsed.repeats,
        unknown_names=tuple(batch.names_not_found),
    )
    return page, info


class _Batch(Struct, frozen=True):
    """A batch as far as it can be read: its items, what was not found, and a reject for each odd entry."""

    items: Sequence[_Item]
    ids_not_found: Sequence[int]
    names_not_found: Sequence[str]
    odd_entries: tuple[Reject, ...]

    @classmethod
    def of(cls, response: _BatchResponse, request: BatchRequest) -> Self:
        """Read each entry of a response by itself; an item that was not requested is odd, too."""
        requested_ids, requested_names = set(request.ids), set(request.names)

        def find_mismatch(item: _Item) -> str | None:
            if item.item_id in requested_ids or item.market_hash_name in requested_names:
                return None
            return ITEM_NOT_REQUESTED + sanitize(escape(item.market_hash_name))

        items, odd_items = decode_each(_ITEM, response.items, find_mismatch)
        ids, odd_ids = decode_each(_ID, response.items_not_found)
        names, odd_names = decode_each(_NAME, response.names_not_found)
        return cls(items, ids, names, odd_entries=(*odd_items, *odd_ids, *odd_names))


def _flatten(item: _Item) -> Iterator[bytes]:
    """Write each quote as the other routes do, with the fields of its item."""
    fields = {"item_id": item.item_id, "market_hash_name": item.market_hash_name, "phase": item.phase}
    head = msgspec.json.encode(fields)[:-1] + b","
    for raw in map(bytes, item.quotes):
        yield head + raw[1:] if raw.startswith(b"{") else raw


def _check(request: BatchRequest, batch: _Batch) -> None:
    """Raise UnexpectedResponse unless the response covers the requested items, and hardly any others.

    An item that it does not mention would otherwise lose its quotes: they would count as gone. An entry that
    cannot be read is a reject, which keeps the quotes of the item that it names; one that names none of the
    requested items, all.
    """
    source, path = request.source, request.path
    check_requested(batch.odd_entries, len(batch.items), route=path, source=source)
    ids, names = set(request.ids), set(request.names)
    odd_ids, odd_names, unnamed = _identify(batch.odd_entries)
    missing_ids = ids - {item.item_id for item in batch.items} - set(batch.ids_not_found)
    missing_ids = {item_id for item_id in missing_ids if str(item_id) not in odd_ids}
    missing_names = names - {item.market_hash_name for item in batch.items} - set(batch.names_not_found)
    # for a known name that no provider lists, the API reports an id that we did not request
    unlisted_names = len(set(batch.ids_not_found) - ids)
    missing = len(missing_ids) + max(len(missing_names - odd_names) - unlisted_names, 0)
    if missing > unnamed:
        raise UnexpectedResponse(f"{path}: the response lacks {missing} of the requested items", source)


def _identify(rejects: Sequence[Reject]) -> tuple[set[str], set[str], int]:
    """Return the ids and the names in the text of rejected items, and how many items lack one of the two.

    An item that was not requested may stand in the place of any other one.
    """
    ids: set[str] = set()
    names: set[str] = set()
    unnamed = 0
    for reject in rejects:
        if is_unrequested(reject):
            unnamed += 1
            continue
        try:
            fields = json.loads(reject.raw)  # reads what the strict decoder refuses, such as NaN
        except (ValueError, RecursionError):
            fields = None
        match fields:
            case {"item_id": int() | str() as item_id, "market_hash_name": str() as name}:
                ids.add(str(item_id))
                names.add(name)
            case _:
                unnamed += 1
    return ids, names, unnamed
