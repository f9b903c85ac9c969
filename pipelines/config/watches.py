"""The watches: conditions on the record that raise an alert while rows match them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from pipelines.config.fields import AnyCase, Currency, Deadline, Item, Many, Name, Provider, Table

MAX_PLACES: Final = 8  # decimal places of a price in the record
PRICE_LIMIT: Final = Decimal(10) ** 12
LONGEST_MESSAGE: Final = 300  # characters
# The keys that say which prices of an item a watch compares.
OF_ITEMS: Final = ("phase", "below", "above", "marketplace", "currency")


def _read_price(value: object) -> Decimal:
    """Return an exact price; a number of TOML counts as it is written. Raises ValueError."""
    is_number = isinstance(value, int | float | str | Decimal) and not isinstance(value, bool)
    try:
        price = Decimal(str(value).strip()) if is_number else Decimal("NaN")
    except InvalidOperation:
        price = Decimal("NaN")
    is_price = price.is_finite() and 0 < price < PRICE_LIMIT and price == round(price, MAX_PLACES)
    if not is_price:
        raise ValueError(f"must be a price: a number above 0, with at most {MAX_PLACES} decimal places")
    return price


Price = Annotated[
    Decimal, BeforeValidator(_read_price), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})
]


class WatchSettings(Table):
    """A condition on the published record: the rows of `query`, or an item whose price leaves its bounds.

    The price of an item is its lowest fresh ask in `currency` over the marketplaces; it matches below
    `below`, or above `above`. While rows match, an alert of the `severity` is open.
    """

    name: Name = Field(description="The name of the watch", examples=["cheap-redline"])
    query: str | None = Field(
        default=None,
        description="One SELECT over the views of the record; each of its rows is a reason for the alert",
        examples=["SELECT item, price FROM best_ask WHERE price < 5"],
    )
    item: Item | None = Field(
        default=None,
        description="In place of a query: an item by its name, id, words or a glob",
        examples=["AK-47 | Redline (Field-Tested)"],
    )
    phase: str | None = Field(
        default=None, min_length=1, description="The phase of the item", examples=["Ruby"]
    )
    below: Price | None = Field(
        default=None,
        description="The item matches where its lowest fresh ask is below this price",
        examples=[12.5],
    )
    above: Price | None = Field(
        default=None,
        description="The item matches where its lowest fresh ask is above this price",
        examples=[20],
    )
    marketplace: Many[Provider] = Field(
        default=("all",),
        min_length=1,
        description='The marketplaces whose asks count, by key or name, or "all"',
        examples=["buff163"],
    )
    currency: Currency = Field(default="USD", description="The currency of the price", examples=["EUR"])
    message: str = Field(
        default="",
        max_length=LONGEST_MESSAGE,
        description="What the alert says before the rows, at most 300 characters; without this key, what"
        " matches",
        examples=["Buy it"],
    )
    severity: Annotated[Literal["warning", "failure"], AnyCase] = Field(
        default="warning", description="The severity of the alert", examples=["failure"]
    )
    time_limit: Deadline = Field(
        default=timedelta(seconds=10),
        description="How long the query may run; then it is ended, with the alert watch.broken",
        examples=["10s"],
    )

    @field_validator("query")
    @classmethod
    def _check_query(cls, query: str | None) -> str | None:
        if query is not None and not query.strip():
            raise ValueError("is empty: write one SELECT over the views of the record")
        return query

    @model_validator(mode="after")
    def _check_condition(self) -> WatchSettings:
        if problem := next(self._problems(), None):
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        """Yield what is wrong with the keys as a whole."""
        fields = type(self).model_fields
        of_items = [name for name in OF_ITEMS if getattr(self, name) != fields[name].default]
        if self.item is None and self.query is None:
            yield "needs a condition: write query, or item with below or above"
        if self.item is not None and self.query is not None:
            yield "has a query and an item: leave one of them out"
        if self.query is not None and of_items:
            yield f"has a query, which says itself what it selects: leave {' and '.join(of_items)} out"
        if self.item is not None and self.below is None and self.above is None:
            yield "has an item without a bound: write below, above or both, as in below = 12.5"
        if self.item == "all":
            yield "is for items that are named: for all items, write a query"
        if self.below is not None and self.above is not None and self.below >= self.above:
            yield "would match every price: below must be less than above"
        if self.phase is not None and str(self.item).strip().isdecimal():
            yield "has the id of an item, which says the phase: leave phase out"

    @property
    def condition(self) -> str:
        """The condition in words, or the query."""
        if self.query is not None:
            return self.query.strip()
        name = str(self.item) if self.phase is None else f"{self.item} @ {self.phase}"
        bounds = (("below", self.below), ("above", self.above))
        limits = " or ".join(f"{word} {bound:f}" for word, bound in bounds if bound is not None)
        places = "" if self.marketplace == ("all",) else f" at {', '.join(self.marketplace)}"
        return f"{name} {limits} {self.currency.upper()}{places}"
