COMMENT ON VIEW liquidity IS '
How much of an item is sold, where sales or candles are stored: the number of sales, the trades that the API estimates,
and the quantity listed on average, over 1, 7 and 30 days. The days count back from the newest answer of the source. Sales
that several accounts or currencies tell count once. What was not fetched is not counted: a null means that the warehouse
has no sales, or no candles, of the item.

Example: SELECT item, sales_1d, sales_7d, sales_30d, volume_1d, volume_7d, quantity_1d FROM liquidity ORDER BY item';
COMMENT ON COLUMN liquidity.sales_1d IS 'the number of stored sales of the last day, over all marketplaces';
COMMENT ON COLUMN liquidity.sales_7d IS 'the same of the last 7 days';
COMMENT ON COLUMN liquidity.sales_30d IS 'the same of the last 30 days';
COMMENT ON COLUMN liquidity.volume_1d IS 'the trades of the last day, as estimated by the API in its candles';
COMMENT ON COLUMN liquidity.volume_7d IS 'the same of the last 7 days';
COMMENT ON COLUMN liquidity.volume_30d IS 'the same of the last 30 days';
COMMENT ON COLUMN liquidity.quantity_1d IS 'the mean of the quantity listed at the end of the candles of the last day';
COMMENT ON COLUMN liquidity.quantity_7d IS 'the same of the last 7 days';
COMMENT ON COLUMN liquidity.quantity_30d IS 'the same of the last 30 days';
