"""The rows of the public views that a world must give."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from connectors.schemas import ITEMS
from tests.support.asks_model import Ask, bests_over_time, read_ask
from tests.support.worlds.events import World
from tests.support.worlds.landings import Landing
from tests.support.worlds.observed import Key
from tests.support.worlds.states import Change, Confirmations, State, follow_states

Row = dict[str, Any]
BID_NAMES = {"lowest_ask": "highest_bid", "quantity": "num_bids"}
ITEM_ATTRIBUTES = ("item_type", "rarity_name")


class ModelViews:
    """The public views of a world, each a list of rows by column name."""

    def __init__(self, landings: Sequence[Landing]) -> None:
        self.world = World(landings)
        self._confirmations = Confirmations(self.world)
        self._dimensions = self.world.dimensions
        self._states = {key: follow_states(key, events) for key, events in self.world.events.items()}

    def rows(self, view: str) -> list[Row]:
        """Return the rows of a view by its name."""
        views: dict[str, Callable[[], Iterator[Row]]] = {
            "quotes": lambda: self._listed(bids=False),
            "bids": lambda: map(_as_bid, self._listed(bids=True)),
            "quote_history": lambda: self._history(bids=False),
            "bid_history": lambda: map(_as_bid, self._history(bids=True)),
            "observations": self._observations,
            "best_ask": self._best_asks,
            "best_ask_history": self._best_ask_history,
            "stale_quotes": lambda: (row for row in self._listed(bids=False) if not row["fresh"]),
            "coverage": self._coverage,
            "items": self._items,
            "rejects": self._rejects,
            "fx_rates": self._rates,
            "runs": self._runs,
        }
        return list(views[view]())

    def quotes_as_of(self, time: datetime) -> list[Row]:
        """Return the rows of quotes_as_of: the newest change of each key by then, if it is no closure."""
        rows = []
        for key, (changes, _) in self._states.items():
            past = [change for change in changes if change.valid_from <= time]
            if past and past[-1].state.price is not None and key.delivery != "bid":
                rows.append(self._change_row(key, past[-1]))
        return rows

    def _item_row(self, key: Key) -> Row:
        return {
            "item": item_label(self._dimensions.names[key.item], key.item.phase),
            "source": key.item.source,
            "provider": key.provider,
            "item_id": key.item.item_id,
            "market_hash_name": self._dimensions.names[key.item],
            "phase": key.item.phase,
            "currency": key.currency,
            "delivery": key.delivery,
            "aggregate": self._dimensions.is_aggregate(key.item),
        }

    def _change_row(self, key: Key, change: Change) -> Row:
        return {
            **self._item_row(key),
            **_state_row(change.state, change.valid_from),
            "valid_from": change.valid_from,
        }

    @cached_property
    def _all_listed(self) -> list[Row]:
        rows = []
        for key, (changes, state) in self._states.items():
            if state.price is None:
                continue
            limit = self._confirmations.fresh_until(key)
            newest = self._confirmations.newest(key.item.source)
            row = {
                **self._item_row(key),
                **_state_row(state, changes[-1].valid_from),
                "observed_at": self._confirmations.observed_at(key),
                "url": state.url,
                "fresh_until": limit,
                "fresh": limit is not None and limit >= newest,
            }
            rows.append(row)
        return rows

    def _listed(self, *, bids: bool) -> Iterator[Row]:
        return (row for row in self._all_listed if (row["delivery"] == "bid") == bids)

    def _history(self, *, bids: bool) -> Iterator[Row]:
        for key, (changes, _) in self._states.items():
            if (key.delivery == "bid") == bids:
                for change, following in itertools.zip_longest(changes, changes[1:]):
                    valid_to = following and following.valid_from
                    yield {**self._change_row(key, change), "valid_to": valid_to, "origin": change.origin}

    def _observations(self) -> Iterator[Row]:
        for observation in self._confirmations.stored.values():
            yield {
                **observation.book._asdict(),
                "run_id": observation.run_id,
                "scope": observation.scope,
                "observed_from": observation.observed_from,
                "observed_to": observation.observed_to,
                "complete": observation.complete,
                "reason": observation.reason,
                "rows": observation.rows,
                "newest_last_updated": observation.newest_last_updated,
            }

    def _is_offer(self, row: Row) -> bool:
        phased = {name for _, name in self._dimensions.phased_names}
        one_item = row["phase"] is not None or row["market_hash_name"] not in phased
        return row["price"] is not None and row["price"] > 0 and row["quantity"] != 0 and one_item

    def _best_asks(self) -> Iterator[Row]:
        best: dict[object, Row] = {}
        for row in sorted(self._listed(bids=False), key=_cheapest_first):
            if row["fresh"] and self._is_offer(row):
                best.setdefault((row["market_hash_name"], row["phase"], row["currency"]), row)
        yield from best.values()

    def _best_ask_history(self) -> Iterator[Row]:
        """Yield where a best ask changed; an ask that is stale ends where its freshness ends."""
        stale = {_quote_of(row): row for row in self._listed(bids=False) if not row["fresh"]}
        names = ("item", "market_hash_name", "phase", "currency")
        asks: dict[tuple[Any, ...], list[Ask]] = {}
        for row in filter(self._is_offer, self._history(bids=False)):
            end = row["valid_to"]
            if end is None and (lapsed := stale.get(_quote_of(row))):
                end = lapsed["fresh_until"] or lapsed["observed_at"]
            if end is None or row["valid_from"] < end:
                asks.setdefault(tuple(row[name] for name in names), []).append(read_ask(row, end))
        for values, of_item in asks.items():
            for best in bests_over_time(of_item):
                yield {**dict(zip(names, values, strict=True)), **best._asdict()}

    def _coverage(self) -> Iterator[Row]:
        listed: dict[tuple[str, ...], list[Row]] = {}
        for row in self._all_listed:
            if not row["aggregate"]:
                book = (row["source"], row["provider"], row["currency"], row["delivery"])
                listed.setdefault(book, []).append(row)
        for (source, provider, currency, delivery), rows in listed.items():
            items = sum(
                item.source == source and not self._dimensions.is_aggregate(item)
                for item in self._dimensions.items
            )
            yield {
                "source": source,
                "provider": provider,
                "currency": currency,
                "delivery": delivery,
                "listed": len(rows),
                "fresh": sum(row["fresh"] for row in rows),
                "items": items,
                "share": len(rows) / items,
                "observed_at": max(row["observed_at"] for row in rows),
            }

    def _items(self) -> Iterator[Row]:
        for item in self._dimensions.items:
            attributes = self._dimensions.attributes(item)
            yield {
                **dict.fromkeys(ITEMS),
                **item._asdict(),
                "item": item_label(self._dimensions.names[item], item.phase),
                "market_hash_name": self._dimensions.names[item],
                "aggregate": self._dimensions.is_aggregate(item),
                **{name: attributes and getattr(attributes, name) for name in ITEM_ATTRIBUTES},
            }

    def _rejects(self) -> Iterator[Row]:
        replays = {
            reject_id: landing.run_id
            for landing in self.world.landings
            for reject_id in landing.facts.get("replayed", ())
        }
        for reject in self.world.rejects:
            yield {
                "reject_id": reject.reject_id,
                "run_id": reject.landing.run_id,
                "source": reject.landing.source,
                "basket": reject.landing.header.basket,
                "currency": reject.spec.currency,
                "deliveries": list(reject.spec.deliveries),
                "provider": reject.provider,
                "observed_at": reject.observed_at,
                "reason": reject.reason,
                "raw": reject.raw,
                "replayed_run_id": replays.get(reject.reject_id),
            }

    def _rates(self) -> Iterator[Row]:
        tables = {}
        for landing in sorted(self.world.landings, key=lambda one: one.header.started_at, reverse=True):
            if landing.rates is not None:
                started_at = landing.header.started_at
                tables[landing.source, landing.rates.moment] = (landing.rates, started_at)
        for (source, moment), (table, started_at) in tables.items():
            for currency, rate in table.rates.items():
                yield {
                    "source": source,
                    "currency": currency,
                    "rate": rate,
                    "rate_at": moment,
                    "observed_at": started_at,
                }

    def _runs(self) -> Iterator[Row]:
        changes = [change for changes, _ in self._states.values() for change in changes]
        changed = Counter(change.state.run_id for change in changes)
        closed = Counter(change.state.run_id for change in changes if change.state.price is None)
        for landing in self.world.landings:
            run_id = landing.run_id
            yield {"run_id": run_id, "rows_changed": changed[run_id], "rows_closed": closed[run_id]}


def item_label(name: str, phase: str | None) -> str:
    return name if phase is None else f"{name} @ {phase}"


def _state_row(state: State, valid_from: datetime) -> Row:
    return {
        "lowest_ask": state.lowest_ask,
        "price": state.price,
        "quantity": state.quantity,
        "changed_at": state.changed_at or valid_from,
        "last_updated": state.last_updated,
        "run_id": state.run_id,
    }


def _as_bid(row: Row) -> Row:
    return {BID_NAMES.get(name, name): value for name, value in row.items()}


def _quote_of(row: Row) -> tuple[object, ...]:
    names = ("source", "provider", "item_id", "market_hash_name", "phase", "currency", "delivery")
    return tuple(row[name] for name in names)


def _cheapest_first(row: Row) -> tuple[Any, ...]:
    return row["price"], row["source"], row["provider"], row["delivery"]
