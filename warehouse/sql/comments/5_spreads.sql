COMMENT ON VIEW best_ask IS '
The lowest ask of all sources and marketplaces for each item and currency. Items of two sources are matched by `item`.
The view leaves out quotes that are not `fresh`, asks of 0 or with the quantity 0, aggregates, and quotes without a
phase where other items of their name have phases.

Example: SELECT item, currency, provider, price, quantity FROM best_ask WHERE currency = ''USD'' ORDER BY price DESC LIMIT 4';
COMMENT ON COLUMN best_ask.provider IS 'the key of the marketplace that has the best ask';
COMMENT ON COLUMN best_ask.observed_at IS 'the last observation that returned the quote';

COMMENT ON VIEW spreads IS '
The profitable pairs of an ask at one marketplace and a sale at another, in one currency. A sale pays the `sell_fee` of
its marketplace; a sale to a bid pays the `insta_sell_fee`, or the `sell_fee` where there is none. Marketplaces without
a known fee are left out of the selling side, and on both sides what `best_ask` leaves out. Both sides are never the
same marketplace, even where two sources report it. SkinShark combines C5Game and ECOSteam: an item bought there is
sold at neither. The whole view has millions of rows: filter by an item, or by two marketplaces.

Example: SELECT item, bought_at, bought_price, sold_at, sold_by, sold_price, proceeds, profit FROM spreads
ORDER BY profit DESC LIMIT 3';
COMMENT ON COLUMN spreads.bought_source IS 'the source of the ask';
COMMENT ON COLUMN spreads.bought_at IS 'the marketplace of the ask';
COMMENT ON COLUMN spreads.bought_by IS 'the delivery of the ask';
COMMENT ON COLUMN spreads.bought_price IS 'the ask';
COMMENT ON COLUMN spreads.bought_quantity IS 'the listed quantity at that ask';
COMMENT ON COLUMN spreads.sold_source IS 'the source of the ask or bid to sell at';
COMMENT ON COLUMN spreads.sold_at IS 'the marketplace of the sale';
COMMENT ON COLUMN spreads.sold_by IS '`listing`: offered at the lowest ask; `bid`: sold at once to the highest bid';
COMMENT ON COLUMN spreads.sold_price IS 'the price before the fee';
COMMENT ON COLUMN spreads.sold_quantity IS 'the listed quantity, or the number of buy orders';
COMMENT ON COLUMN spreads.sold_fee IS 'a fraction of `sold_price`';
COMMENT ON COLUMN spreads.proceeds IS '`sold_price` minus the fee';
COMMENT ON COLUMN spreads.cost IS '`bought_price` with the `buy_fee` of its marketplace, where it lacks one';
COMMENT ON COLUMN spreads.profit IS '`proceeds` minus `cost`';
COMMENT ON COLUMN spreads.margin IS '`profit` divided by `cost`';
COMMENT ON COLUMN spreads.observed_at IS 'the older observation of both sides';
