COMMENT ON VIEW market_stats IS '
Figures of each item over all marketplaces, as the API computes them: how much it saw sold, how many copies there are, and a
score of its liquidity. A snapshot fetches them where the source has the key `market_stats`, as in `market_stats = "1d"`. There
is one row per item and fetch.

Example: SELECT item, observed_at, sales_7d, sales_30d, supply, liquidity FROM market_stats ORDER BY "rank" LIMIT 3';
COMMENT ON COLUMN market_stats.observed_at IS 'when the API computed the figures';
COMMENT ON COLUMN market_stats.provider_count IS 'the number of marketplaces that list the item';
COMMENT ON COLUMN market_stats.sales_1d IS 'the trades of the last day that the API estimates, because copies vanished';
COMMENT ON COLUMN market_stats.sales_7d IS 'the same of the last 7 days';
COMMENT ON COLUMN market_stats.sales_30d IS 'the same of the last 30 days';
COMMENT ON COLUMN market_stats.steam_sales_7d IS 'the sales that Steam reports of the last 7 days; null where it reports none';
COMMENT ON COLUMN market_stats.steam_sales_30d IS 'the same of the last 30 days';
COMMENT ON COLUMN market_stats.supply IS 'the copies that exist, or where the API does not know, those listed';
COMMENT ON COLUMN market_stats.liquidity IS 'the score of the API, from 0 to 100';
COMMENT ON COLUMN market_stats.rank IS 'the place of the item by its best ask times its supply: 1 is the largest';

COMMENT ON VIEW liquidity IS '
How much of an item is sold, where sales, candles or figures of the market are stored: the number of sales, the trades that the
API estimates, and the quantity listed on average, over 1, 7 and 30 days. The days count back from the newest answer of the
source. Sales that several accounts or currencies tell count once. What was not fetched is not counted: a null means that the
warehouse has no sales, or no candles and no figures, of the item.

Example: SELECT item, sales_1d, sales_7d, sales_30d, volume_1d, volume_7d, quantity_1d FROM liquidity ORDER BY item';
COMMENT ON COLUMN liquidity.sales_1d IS 'the number of stored sales of the last day, over all marketplaces';
COMMENT ON COLUMN liquidity.sales_7d IS 'the same of the last 7 days';
COMMENT ON COLUMN liquidity.sales_30d IS 'the same of the last 30 days';
COMMENT ON COLUMN liquidity.volume_1d IS 'the trades of the last day, as estimated by the API in its candles and in `market_stats`';
COMMENT ON COLUMN liquidity.volume_7d IS 'the same of the last 7 days';
COMMENT ON COLUMN liquidity.volume_30d IS 'the same of the last 30 days';
COMMENT ON COLUMN liquidity.quantity_1d IS 'the mean of the quantity listed at the end of the candles of the last day';
COMMENT ON COLUMN liquidity.quantity_7d IS 'the same of the last 7 days';
COMMENT ON COLUMN liquidity.quantity_30d IS 'the same of the last 30 days';
COMMENT ON COLUMN liquidity.supply IS 'the newest `supply` of `market_stats`';
COMMENT ON COLUMN liquidity.liquidity IS 'the newest score of `market_stats`';
