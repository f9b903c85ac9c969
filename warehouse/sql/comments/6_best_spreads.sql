COMMENT ON VIEW best_spreads IS '
The best spread of each item and currency: the pair of `spreads` with the highest `profit`. An ask or a bid that is far
off is left out: one of three times the median of the lowest asks of the other marketplaces or more, and an ask of a
third of it or less. `outliers` counts them; `price_outliers` shows them.

Example: SELECT item, bought_at, bought_price, sold_at, sold_by, sold_price, profit, round(margin, 3) AS margin, outliers
FROM best_spreads ORDER BY profit DESC LIMIT 3';
COMMENT ON COLUMN best_spreads.outliers IS 'the number of asks and bids of the item that are far off, and left out';

COMMENT ON MACRO TABLE best_spreads_at IS '
The rows of `best_spreads` for given marketplaces: the best pair that is bought at one of `buy_at` and sold at one of
`sell_at`. Each is a marketplace, a list of them, or null: any marketplace.

Example: SELECT item, bought_at, sold_at, sold_by, profit FROM best_spreads_at(''buff163'', [''csfloat'', ''steam''])
ORDER BY profit DESC LIMIT 3';

COMMENT ON VIEW price_outliers IS '
The asks and bids that are far off: three times the median of the lowest asks of the other marketplaces or more, or, for
an ask, a third of it or less. They are mistakes, traps or rare copies. An item that a single marketplace lists has none.

Example: SELECT item, provider, delivery, price, median_of_others, others, round(ratio, 3) AS ratio FROM price_outliers';
COMMENT ON COLUMN price_outliers.delivery IS '`standard` or `instant` for an ask, `bid` for a bid';
COMMENT ON COLUMN price_outliers.price IS 'the ask or the bid, exact';
COMMENT ON COLUMN price_outliers.quantity IS 'the listed quantity, or the number of buy orders';
COMMENT ON COLUMN price_outliers.median_of_others IS 'the median of the lowest asks of the other marketplaces';
COMMENT ON COLUMN price_outliers.others IS 'the number of other marketplaces';
COMMENT ON COLUMN price_outliers.ratio IS '`price` divided by `median_of_others`';
