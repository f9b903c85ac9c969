"""The asks of an item at all marketplaces now, with the highest bid there and what a sale leaves."""

from __future__ import annotations

from typing import Final, Literal

SELECT_ASKS: Final = """
WITH fee AS (SELECT provider, any_value(sell_fee) AS sell_fee FROM providers GROUP BY provider),
bid AS (
    SELECT item, provider, max(price) AS price FROM {bids}
    WHERE {column} = $name AND currency = $currency AND fresh GROUP BY item, provider
)
SELECT q.item, q.provider, q.delivery, q.price, q.quantity, b.price AS highest_bid,
    (q.price * (1 - f.sell_fee::DECIMAL(9, 6)))::DECIMAL(20, 8) AS after_fee,
    q.changed_at, q.observed_at, q.fresh, q.url
FROM quotes q LEFT JOIN bid b USING (item, provider) LEFT JOIN fee f USING (provider)
WHERE q.{column} = $name AND q.currency = $currency
ORDER BY q.fresh DESC, q.price, q.provider, q.delivery
"""


def select_asks(column: Literal["item", "market_hash_name"], bids: str = "bids") -> str:
    """Return the query of the asks of one item, or of all items of one name; the cheapest fresh one first.

    Its parameters are $name, a value of `column`, and $currency. It reads public views; `bids` is a table
    with the rows of that view. `after_fee` is null where the fee is not known.
    """
    return SELECT_ASKS.format(column=column, bids=bids)
