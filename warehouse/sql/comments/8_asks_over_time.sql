COMMENT ON MACRO TABLE movers IS '
The best ask of each item and currency now and a period ago, such as `24 hours`. The period counts back from the newest
observation. Items without a best ask at one of both times are left out, like the quotes that `best_ask`
leaves out; a quote that went stale counts until then.

Example: SELECT item, was, now, round(100 * change, 1) AS percent, was_at, now_at, markets, listed
FROM movers(''24 hours'') WHERE currency = ''USD'' ORDER BY abs(change) DESC, item LIMIT 3';
COMMENT ON COLUMN movers.was IS 'the best ask then';
COMMENT ON COLUMN movers.now IS 'the best ask now';
COMMENT ON COLUMN movers.change IS '`now` divided by `was`, minus 1: 0.05 is 5% up';
COMMENT ON COLUMN movers.was_at IS 'the marketplace that had the best ask then';
COMMENT ON COLUMN movers.now_at IS 'the marketplace that has the best ask now';
COMMENT ON COLUMN movers.markets IS 'the number of marketplaces that list the item now';
COMMENT ON COLUMN movers.listed IS 'the number of copies that they list, each marketplace once; null where none says';

COMMENT ON MACRO TABLE price_vs_median IS '
The best ask of each item and currency now, against the median of its best asks on the last days: the best ask is taken
once for each day, at the time of day of the newest observation. `best_ask_history` says what it was. A day for which that
view knows no best ask counts with the lowest of its `daily_points`.

Example: SELECT item, now, median, round(100 * change, 1) AS percent, days_listed FROM price_vs_median(3)
WHERE currency = ''USD'' ORDER BY round(change, 6), item LIMIT 3';
COMMENT ON COLUMN price_vs_median.median IS 'the median of the best asks of the days';
COMMENT ON COLUMN price_vs_median.change IS '`now` divided by `median`, minus 1: -0.05 is 5% below';
COMMENT ON COLUMN price_vs_median.days_listed IS 'the number of days on which the item had a best ask or a daily point';
COMMENT ON COLUMN price_vs_median.days_of_points IS 'the number of these days for which there is a daily point only';

COMMENT ON VIEW daily_ohlc IS '
The asks of each quote by UTC day: open, high, low and close of all days on which it was listed, also of those without a
change. A day opens with the ask that stands at midnight, or with the first of the day, and closes with the last one.
A quote that is not known on a day has its daily point there, if one was fetched: see `origin`.
`best_ask` says which asks count. A filter on `day` reads these days only.

Example: SELECT provider, day, open, high, low, close, quantity, changes, origin FROM daily_ohlc
WHERE item = ''AK-47 | Redline (Field-Tested)'' AND currency = ''USD'' ORDER BY provider, day LIMIT 6';
COMMENT ON COLUMN daily_ohlc.day IS 'the UTC day, whatever the time zone of the session is';
COMMENT ON COLUMN daily_ohlc.open IS 'the first ask of the day: the one that stands at midnight, where there is one';
COMMENT ON COLUMN daily_ohlc.high IS 'the highest ask of the day';
COMMENT ON COLUMN daily_ohlc.low IS 'the lowest ask of the day';
COMMENT ON COLUMN daily_ohlc.close IS 'the last ask of the day';
COMMENT ON COLUMN daily_ohlc.quantity IS 'the quantity listed at `close`; null where the source reports none, and for a daily point';
COMMENT ON COLUMN daily_ohlc.changes IS 'the number of asks that began on the day; null for a daily point';
COMMENT ON COLUMN daily_ohlc.origin IS '`quotes`, or `daily points`: the closing price of `daily_points`, because nothing finer is known';

COMMENT ON MACRO TABLE daily_ohlc_between IS '
The rows of `daily_ohlc` from one day to another, both included.

Example: SELECT item, provider, day, open, close FROM daily_ohlc_between(''2026-06-03'', ''2026-06-03'')
WHERE currency = ''USD'' ORDER BY item, provider LIMIT 3';

COMMENT ON VIEW best_ask_daily_ohlc IS '
The best ask of each item and currency by UTC day, over all marketplaces and sources. `open` and `close` are where the
item is listed: a day on which it is sold out in the evening closes with its last best ask. A day without any best ask has
the lowest of its daily points, if some were fetched: see `origin`. A filter on `day` reads these days only.

Example: SELECT day, open, high, low, close, open_at, close_at, origin FROM best_ask_daily_ohlc
WHERE item = ''AK-47 | Redline (Field-Tested)'' AND currency = ''USD'' ORDER BY day';
COMMENT ON COLUMN best_ask_daily_ohlc.open IS 'the first best ask of the day';
COMMENT ON COLUMN best_ask_daily_ohlc.high IS 'the highest best ask of the day';
COMMENT ON COLUMN best_ask_daily_ohlc.low IS 'the lowest best ask of the day';
COMMENT ON COLUMN best_ask_daily_ohlc.close IS 'the last best ask of the day';
COMMENT ON COLUMN best_ask_daily_ohlc.open_at IS 'the marketplace of the `open` ask';
COMMENT ON COLUMN best_ask_daily_ohlc.close_at IS 'the marketplace of the `close` ask';
COMMENT ON COLUMN best_ask_daily_ohlc.origin IS '`quotes`, or `daily points`: the lowest of `daily_points`, because nothing finer is known of the day';

COMMENT ON MACRO TABLE best_ask_daily_ohlc_between IS '
The rows of `best_ask_daily_ohlc` from one day to another, both included.

Example: SELECT item, day, open, close FROM best_ask_daily_ohlc_between(''2026-06-03'', ''2026-06-04'')
WHERE currency = ''USD'' ORDER BY item, day LIMIT 3';
COMMENT ON COLUMN best_ask_daily_ohlc_between.open IS 'the first best ask of the day';
COMMENT ON COLUMN best_ask_daily_ohlc_between.high IS 'the highest best ask of the day';
COMMENT ON COLUMN best_ask_daily_ohlc_between.low IS 'the lowest best ask of the day';
COMMENT ON COLUMN best_ask_daily_ohlc_between.close IS 'the last best ask of the day';
