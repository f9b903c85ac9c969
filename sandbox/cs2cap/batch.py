"""`POST /v1/prices/batch` and `/v1/bids/batch`: up to 100 items by id or name, times in whole seconds."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple, TypeVar, cast

from sandbox.clock import SECOND, iso, micros
from sandbox.cs2cap import params
from sandbox.http_types import ApiError, ApiRequest, Json
from sandbox.market.catalog import Catalog, Item
from sandbox.market.market import Index, Market
from sandbox.market.money import convert
from sandbox.market.providers import KEYS
from sandbox.market.rows import Row, Scope, rows_of_items
from sandbox.market.sides import BookSide

MAX_ITEMS = 100  # ids and names
Entry = TypeVar("Entry", int, str)
_FIELDS = ("item_ids", "market_hash_names", "providers", "currency")


class BatchQuery(NamedTuple):
    """The query of a batch; providers by position."""

    ids: list[int]
    names: list[str]
    providers: tuple[int, ...]
    currency: str


def build_batch(market: Market, side: BookSide, request: ApiRequest, *, now: datetime) -> dict[str, Json]:
    """Return the response, with the ids that are unknown or have no quote and the unknown names.

    Raises ApiError.
    """
    query = _parse_query(request, side, market)
    found, unknown_ids, unknown_names = _find_items(market.board.catalog, query)
    index = side.of(market.index(micros(now)))
    rows = {
        item: rows_of_items(market.board, index, Scope(query.providers, (item.item_id,))) for item in found
    }
    items: list[Json] = [
        {
            "item_id": item.item_id,
            "market_hash_name": item.name,
            **({"phase": item.phase} if item.phase else {}),
            "quotes": _quotes_json(quotes, side, index, currency=query.currency),
        }
        for item, quotes in rows.items()
        if quotes
    ]
    without_quote = [item.item_id for item, quotes in rows.items() if not quotes]
    meta: dict[str, Json] = {
        "currency": query.currency,
        "requested_item_count": len(query.ids) + len(query.names),
        "found_item_count": len(items),
        "providers_queried": [KEYS[provider] for provider in query.providers],
        "generated_at": iso(micros(now)),
    }
    names: dict[str, Json] = {"names_not_found": list(unknown_names)} if query.names else {}
    return {"meta": meta, "items": items, "items_not_found": [*unknown_ids, *without_quote], **names}


def _parse_query(request: ApiRequest, side: BookSide, market: Market) -> BatchQuery:
    """Parse the body: a wrong field is a 422, too many items are a 400."""
    fields = params.parse_body(request)
    for name, value in fields.items():
        if name not in _FIELDS:
            raise _field_error("extra_forbidden", [name], "Extra inputs are not permitted", value=value)
    ids, names = _parse_list(fields, "item_ids", int), _parse_list(fields, "market_hash_names", str)
    if not ids and not names:
        raise _field_error("value_error", [], "Provide item_ids or market_hash_names", value=None)
    if len(ids) + len(names) > MAX_ITEMS:
        raise ApiError(400, None, f"Batch size exceeded: at most {MAX_ITEMS} items per request")
    providers = params.provider_positions(_parse_list(fields, "providers", str), side, "body")
    currency = fields.get("currency", "USD")
    if not isinstance(currency, str):
        raise _field_error("string_type", ["currency"], "Input should be a valid string", value=currency)
    known = params.check_currency(currency, market.rates, "body")
    return BatchQuery(ids, names, providers, currency=known)


def _parse_list(fields: params.Fields, name: str, kind: type[Entry]) -> list[Entry]:
    """Return a list whose values are all of one kind; an absent field or null is an empty list."""
    values = fields.get(name)
    if values is None:
        return []
    if not isinstance(values, list):
        raise _field_error("list_type", [name], "Input should be a valid list", value=values)
    for number, value in enumerate(values):
        if type(value) is not kind:
            noun = "integer" if kind is int else "string"
            message = f"Input should be a valid {noun}"
            raise _field_error(f"{noun}_type", [name, number], message, value=value)
    return cast("list[Entry]", values)


def _field_error(kind: str, location: list[Json], message: str, *, value: Json) -> ApiError:
    return params.validation_error(kind, ["body", *location], message, value=value)


def _find_items(catalog: Catalog, query: BatchQuery) -> tuple[list[Item], list[int], list[str]]:
    """Return each item once, in the order of the query, then the unknown ids and the unknown names."""
    by_id = {item_id: catalog.find(item_id, None, None) for item_id in query.ids}
    by_name = {name: catalog.find(None, name, None) for name in query.names}
    items = dict.fromkeys(item for found in (*by_id.values(), *by_name.values()) for item in found)
    unknown_ids = [item_id for item_id, found in by_id.items() if not found]
    return list(items), unknown_ids, [name for name, found in by_name.items() if not found]


def _quotes_json(rows: Iterable[Row], side: BookSide, index: Index, *, currency: str) -> list[Json]:
    quotes: list[Json] = []
    for row in rows:
        minor, decimal = convert(row.quote.price, index.rates[currency])
        changed = row.quote.changed
        quotes.append(
            {
                "provider": row.provider,
                side.price: minor,
                side.decimal: decimal,
                side.quantity: row.quote.quantity,
                "timestamp": None if changed is None else _whole_seconds(changed),
                "last_updated": _whole_seconds(index.updated(row.quote)),
            }
        )
    return quotes


def _whole_seconds(us: int) -> str:
    return iso(us // SECOND * SECOND)
