"""Up to 100 items a request: what is asked, whether the answer is one to it, and its page."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import msgspec
from msgspec import Raw, Struct

from common.errors import RequestRejected, UnexpectedResponse
from common.shards import Item
from common.text import sanitize
from connectors.base import ExtractResult
from connectors.cs2cap.contract import (
    BOOK_SIDES,
    BookSide,
    Int64,
    NonEmptyStr,
    check_providers,
    decode_response,
)
from connectors.cs2cap.parser import parse_rows
from connectors.http.client import Client
from connectors.http.compression import Decompress
from connectors.pages import PageSink, TypedPage, fingerprint_keys
from connectors.pagination import PageInfo
from connectors.schemas import providers_in, quote_keys
from connectors.shards import BATCH_ITEMS, Shard


class _Item(Struct, gc=False):
    item_id: Int64
    market_hash_name: NonEmptyStr
    quotes: list[Raw]
    phase: str | None = None


class _Meta(Struct):
    currency: str


class _Batch(Struct):
    meta: _Meta
    items: list[_Item]
    items_not_found: list[int]
    names_not_found: list[str] = []


_BATCH: Final = msgspec.json.Decoder(_Batch)


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """The items of one request: an item goes by its id, so that a phase is not lost, else by its name."""

    source: str
    offers: BookSide
    place: int
    currency: str
    providers: tuple[str, ...]
    items: tuple[Item, ...]

    @property
    def ids(self) -> list[int]:
        """The ids to ask for."""
        return [int(item.item_id) for item in self.items if item.item_id is not None]

    @property
    def names(self) -> list[str]:
        """The names to ask for: those of items without an id."""
        return [item.market_hash_name for item in self.items if item.item_id is None]

    @property
    def path(self) -> str:
        """The route that they are asked by."""
        return f"{self.offers.path}/batch"

    @property
    def body(self) -> bytes:
        """What is sent; without a list of providers, all are asked."""
        lists = {"item_ids": self.ids, "market_hash_names": self.names, "providers": self.providers}
        return msgspec.json.encode(
            {"currency": self.currency, **{name: told for name, told in lists.items() if told}}
        )

    @property
    def fingerprint(self) -> str:
        """What these entries are known by, should the page be taken up again."""
        return fingerprint_keys(["batch", *map(str, self.ids), *self.names])


def split_into_batches(shard: Shard, source: str) -> Iterator[BatchRequest]:
    """Divide a shard into its requests; raises RequestRejected for an item whose phase a name would lose."""
    providers = () if shard.every_provider else shard.providers
    items = shard.items or ()
    lost = [item for item in items if item.item_id is None and item.phase is not None]
    if lost:
        told = f"{lost[0].market_hash_name} @ {lost[0].phase}"
        raise RequestRejected(f"a batch takes names without a phase, and {told} has no id", source)
    for place, at in enumerate(range(0, len(items), BATCH_ITEMS)):
        part = items[at : at + BATCH_ITEMS]
        yield BatchRequest(source, BOOK_SIDES[shard.deliveries[0]], place, shard.currency, providers, part)


class BatchExtraction:
    """The requests of a batch shard, a page each."""

    def __init__(self, client: Client, shard: Shard, land: PageSink) -> None:
        self._client = client
        self._entries = list(split_into_batches(shard, client.source))
        self._land = land
        self._fetched = 0

    async def run(self, have: Sequence[TypedPage]) -> ExtractResult:
        """Ask for and land what `have` lacks.

        Raises RequestRejected, once all is landed, where a name is not known: of its quotes nothing is known.
        """
        landed = {(page.request, page.fingerprint): page for page in have}
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._one(asked, landed.get((asked.place, asked.fingerprint))))
                for asked in self._entries
            ]
        sheets = [task.result() for task in tasks]
        if strangers := [name for sheet in sheets for name in sheet.strangers]:
            told = sanitize(", ".join(strangers), 500)
            raise RequestRejected(f"{self._entries[0].path}: no item is called {told}", self._client.source)
        return ExtractResult(self._fetched, sum(len(sheet.keys) + sheet.others for sheet in sheets), 0)

    async def _one(self, asked: BatchRequest, landed: TypedPage | None) -> PageInfo:
        if landed is not None:
            return await self._land(partial(_as_it_is, landed))
        answer = await self._client.query(asked.path, asked.body, partial(self._arrived, asked))
        self._fetched += 1
        return answer.body

    async def _arrived(self, asked: BatchRequest, inflate: Decompress, moment: datetime) -> PageInfo:
        return await self._land(partial(parse_batch_page, asked, inflate, moment))


def _as_it_is(page: TypedPage) -> tuple[TypedPage, PageInfo]:
    return page, PageInfo(0, BATCH_ITEMS, -1, False, quote_keys(page.rows), page.fingerprint)


def parse_batch_page(
    asked: BatchRequest, inflate: Decompress, moment: datetime
) -> tuple[TypedPage, PageInfo]:
    """Make the page of an answer that `inflate` gives and that the server sent at `moment` (UTC).

    Its total is not told: it is the only page of its request, and no listing's. Raises ContractBroken, and
    Disconnected where the body was cut.
    """
    batch = decode_response(_BATCH, inflate(), asked.path, asked.source)
    _check(asked, batch)
    rows = parse_rows([raw for item in batch.items for raw in _flatten(item)], asked.offers, asked.source)
    check_providers(providers_in(rows.frame), frozenset(asked.providers), asked.source)
    page = TypedPage(
        request=asked.place,
        offset=0,
        total=-1,
        observed_at=moment,
        rows=rows.frame,
        rejects=rows.rejects,
        unknown_fields=rows.unknown_fields,
        # whoever takes it up again must hear of an unknown name
        fingerprint="" if batch.names_not_found else asked.fingerprint,
    )
    others = len(rows.rejects) + rows.surplus
    strangers = tuple(batch.names_not_found)
    return page, PageInfo(0, BATCH_ITEMS, -1, False, rows.keys, page.fingerprint, others, strangers)


def _flatten(item: _Item) -> Iterator[bytes]:
    """Write each quote as the other routes do, its item in it."""
    named = {"item_id": item.item_id, "market_hash_name": item.market_hash_name, "phase": item.phase}
    head = msgspec.json.encode(named)[:-1] + b","
    for raw in map(bytes, item.quotes):
        yield head + raw[1:] if raw.startswith(b"{") else raw


def _check(asked: BatchRequest, batch: _Batch) -> None:
    """See that every entry was answered, and no other: on silence, quotes would be taken for vanished."""
    source, path = asked.source, asked.path
    if batch.meta.currency != asked.currency:
        raise UnexpectedResponse(
            f"asked for {asked.currency}, got {sanitize(batch.meta.currency, 20)}", source
        )
    ids, names = set(asked.ids), set(asked.names)
    strange = [item for item in batch.items if item.item_id not in ids and item.market_hash_name not in names]
    if strange:
        raise UnexpectedResponse(f"{path}: not asked for {sanitize(strange[0].market_hash_name)}", source)
    unanswered = ids - {item.item_id for item in batch.items} - set(batch.items_not_found)
    nameless = names - {item.market_hash_name for item in batch.items} - set(batch.names_not_found)
    # a name that was resolved, and that nobody lists, is told by an id that we did not know
    if unanswered or len(nameless) > len(set(batch.items_not_found) - ids):
        raise UnexpectedResponse(f"{path}: no answer for {len(unanswered) + len(nameless)} entries", source)
