COMMENT ON VIEW price_points IS '
The asks that the API itself kept, fetched by backfills in USD: the lowest ask at times on a grid of five minutes. No
point at a time does not mean that nothing was listed. There is one row per item, marketplace, currency and time; of
two responses the later one counts.

Rows in other currencies are from older versions: the API converted their amounts and rounded them to minor units,
which makes a price in bitcoin 0. They have no exact `price`, and fill no coverage gaps.

Example: SELECT item, provider, time, price, quantity FROM price_points ORDER BY time DESC LIMIT 3';
COMMENT ON COLUMN price_points.time IS 'the time of the point';
COMMENT ON COLUMN price_points.price IS 'the same amount, exact; null where `currency` is not USD';
COMMENT ON COLUMN price_points.run_id IS 'the last run that fetched the row';

COMMENT ON VIEW candles IS '
The candles of the API over all marketplaces of an item. The last candle is still open when it is fetched; a later
fetch replaces it. A time bucket without data has no row.

Example: SELECT item, "interval", time, open_price, high_price, low_price, close_price, volume FROM candles
ORDER BY time DESC LIMIT 3';
COMMENT ON COLUMN candles.interval IS '`5m`, `1h` or `1d`';
COMMENT ON COLUMN candles.time IS 'the start of the bucket';
COMMENT ON COLUMN candles.open IS 'the first best ask of the bucket in minor units';
COMMENT ON COLUMN candles.high IS 'the highest best ask in minor units';
COMMENT ON COLUMN candles.low IS 'the lowest best ask in minor units';
COMMENT ON COLUMN candles.close IS 'the last best ask in minor units';
COMMENT ON COLUMN candles.open_price IS 'the same as `open`, exact; null where `currency` is not USD';
COMMENT ON COLUMN candles.high_price IS 'the same as `high`, exact; null where `currency` is not USD';
COMMENT ON COLUMN candles.low_price IS 'the same as `low`, exact; null where `currency` is not USD';
COMMENT ON COLUMN candles.close_price IS 'the same as `close`, exact; null where `currency` is not USD';
COMMENT ON COLUMN candles.volume IS 'trades, as estimated by the API';
COMMENT ON COLUMN candles.quantity IS 'the quantity listed at the end of the bucket; null where the API reports none';
COMMENT ON COLUMN candles.open_provider IS 'the marketplace of the `open` ask';
COMMENT ON COLUMN candles.high_provider IS 'the marketplace of the `high` ask';
COMMENT ON COLUMN candles.low_provider IS 'the marketplace of the `low` ask';
COMMENT ON COLUMN candles.close_provider IS 'the marketplace of the `close` ask';
COMMENT ON COLUMN candles.run_id IS 'the last run that fetched the row';

COMMENT ON VIEW daily_points IS '
The closing prices that the API keeps for years, fetched by `floorline backfill --series daily`: one a marketplace and UTC
day. The point of a day that was not over is replaced by a later fetch.
`daily_ohlc`, `best_ask_daily_ohlc` and `price_vs_median` use the points of days for which nothing finer is known.

Example: SELECT item, provider, day, price, quantity FROM daily_points ORDER BY day DESC, item, provider LIMIT 3';
COMMENT ON COLUMN daily_points.day IS 'the UTC day';
COMMENT ON COLUMN daily_points.amount IS 'the closing price of the day in minor units';
COMMENT ON COLUMN daily_points.price IS 'the same amount, exact; null where `currency` is not USD';
COMMENT ON COLUMN daily_points.quantity IS 'a number of listings or of sales, as the marketplace tells; null where it tells none';
COMMENT ON COLUMN daily_points.run_id IS 'the last run that fetched the row';

COMMENT ON VIEW sales IS '
Sales as reported by the marketplaces, up to a day late. A sale has no id. Sales that are equal in every column are
numbered by `occurrence`; their number is the largest that one extraction fetched.

Example: SELECT item, provider, time, price, float_value, paint_seed FROM sales ORDER BY time DESC LIMIT 3';
COMMENT ON COLUMN sales.time IS 'the time of the sale';
COMMENT ON COLUMN sales.amount IS 'the price in minor units';
COMMENT ON COLUMN sales.price IS 'the same amount, exact; null where `currency` is not USD: these rows are from older versions';
COMMENT ON COLUMN sales.float_value IS 'the wear of the sold copy, from 0 to 1; null where the marketplace reports none, like the next columns';
COMMENT ON COLUMN sales.paint_seed IS 'the seed of the pattern of the sold copy';
COMMENT ON COLUMN sales.stickers IS 'JSON: the stickers on the sold copy';
COMMENT ON COLUMN sales.charms IS 'JSON: the charms on the sold copy';
COMMENT ON COLUMN sales.inspect IS 'JSON: what is needed to inspect the sold copy';
COMMENT ON COLUMN sales.occurrence IS '1, 2 and so on, for sales that are equal in all other columns';
COMMENT ON COLUMN sales.run_id IS 'the first run that fetched the row';
