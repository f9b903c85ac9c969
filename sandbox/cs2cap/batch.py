"""`POST /v1/prices/batch` and `/v1/bids/batch`: up to 100 items by id or name, quotes with whole seconds."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, TypeVar, cast

from sandbox.clock import iso, micros
from sandbox.cs2cap import params
from sandbox.http_types import ApiError, ApiRequest, Json
from sandbox.market.catalog import Catalog, Item
from sandbox.market.market import Index, Market
from sandbox.market.money import convert
from sandbox.market.providers import KEYS
from sandbox.market.rows import Row, Scope, rows_of_items
from sandbox.market.sides import BookSide

MOST = 100  # ids and names together
_SECOND = 1_000_000
Entry = TypeVar("Entry", int, str)
_FIELDS = ("item_ids", "market_hash_names", "providers", "currency")


class BatchQuery(NamedTuple):
    """What a batch asks for; providers by position."""

    ids: list[int]
    names: list[str]
    providers: tuple[int, ...]
    currency: str


def answer_batch(market: Market, side: BookSide, request: ApiRequest, now: datetime) -> dict[str, Json]:
    """Return the answer; what has no quote is told by its id, a name that is in no catalog by the name."""
    wanted = _wanted(request, side, market)
    found, lost_ids, lost_names = _resolved(market.board.catalog, wanted)
    index = side.of(market.index(micros(now)))
    rows = {
        item: rows_of_items(market.board, index, Scope(wanted.providers, (item.item_id,))) for item in found
    }
    items: list[Json] = [_item(item, quotes, side, index, wanted) for item, quotes in rows.items() if quotes]
    unpriced = [item.item_id for item, quotes in rows.items() if not quotes]
    meta: dict[str, Json] = {
        "currency": wanted.currency,
        "requested_item_count": len(wanted.ids) + len(wanted.names),
        "found_item_count": len(items),
        "providers_queried": [KEYS[provider] for provider in wanted.providers],
        "generated_at": iso(micros(now)),
    }
    unresolved: dict[str, Json] = {"names_not_found": list(lost_names)} if wanted.names else {}
    return {"meta": meta, "items": items, "items_not_found": [*lost_ids, *unpriced], **unresolved}


def _wanted(request: ApiRequest, side: BookSide, market: Market) -> BatchQuery:
    """Read the body; what is wrong with it is a 422, too many items are a 400."""
    fields = params.parse_body(request)
    for name in fields:
        if name not in _FIELDS:
            raise params.validation_error(
                "extra_forbidden", [name], "Extra inputs are not permitted", fields[name]
            )
    ids, names = _listed(fields, "item_ids", int), _listed(fields, "market_hash_names", str)
    if not ids and not names:
        raise params.validation_error("value_error", [], "Provide item_ids or market_hash_names", None)
    if len(ids) + len(names) > MOST:
        raise ApiError(400, None, f"Batch size exceeded: at most {MOST} items per request")
    providers = params.provider_positions(_listed(fields, "providers", str), side, "body")
    currency = fields.get("currency", "USD")
    if not isinstance(currency, str):
        raise params.validation_error("string_type", ["currency"], "Input should be a valid string", currency)
    return BatchQuery(ids, names, providers, params.check_currency(currency, market.rates, "body"))


def _listed(fields: params.Fields, name: str, kind: type[Entry]) -> list[Entry]:
    """Return a list of one kind; absent or null, it is empty."""
    values = fields.get(name)
    if values is None:
        return []
    if not isinstance(values, list):
        raise params.validation_error("list_type", [name], "Input should be a valid list", values)
    for place, value in enumerate(values):
        if type(value) is not kind:
            word = "integer" if kind is int else "string"
            raise params.validation_error(
                f"{word}_type", [name, place], f"Input should be a valid {word}", value
            )
    return cast("list[Entry]", values)


def _resolved(catalog: Catalog, wanted: BatchQuery) -> tuple[list[Item], list[int], list[str]]:
    """Return each entry once, in the order asked for, then the ids and the names that are in no catalog."""
    by_id = {item_id: catalog.find(item_id, None, None) for item_id in wanted.ids}
    by_name = {name: catalog.find(None, name, None) for name in wanted.names}
    found = dict.fromkeys(item for items in (*by_id.values(), *by_name.values()) for item in items)
    return list(found), _empty(by_id), _empty(by_name)


def _empty(found: dict[Entry, list[Item]]) -> list[Entry]:
    return [key for key, items in found.items() if not items]


def _item(
    item: Item, rows: Iterable[Row], side: BookSide, index: Index, wanted: BatchQuery
) -> dict[str, Json]:
    phase: dict[str, Json] = {"phase": item.phase} if item.phase else {}
    quotes: list[Json] = [_quote(row, side, index, wanted.currency) for row in rows]
    return {"item_id": item.item_id, "market_hash_name": item.name, **phase, "quotes": quotes}


def _quote(row: Row, side: BookSide, index: Index, currency: str) -> dict[str, Json]:
    minor, decimal = convert(row.quote.price, index.rates[currency])
    return {
        "provider": row.provider,
        side.price: minor,
        side.decimal: decimal,
        side.quantity: row.quote.quantity,
        "timestamp": None if row.quote.changed is None else _whole(row.quote.changed),
        "last_updated": _whole(index.updated(row.quote)),
    }


def _whole(us: int) -> str:
    return iso(us // _SECOND * _SECOND)
