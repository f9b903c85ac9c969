-- How asks moved. A quote counts while it is listed: from its `valid_from` up to and without its `valid_to`. A quote
-- that went stale, because no basket observes it any more, ends where its freshness ends.

CREATE OR REPLACE VIEW store.newest_of_source AS
SELECT s.source, max(o.observed_to) AS observed_to
FROM store.observation o JOIN store.scope s USING (scope_key)
GROUP BY s.source;

CREATE OR REPLACE VIEW store.ask_state AS
SELECT c.item, c.market_hash_name, c.phase, c.currency, c.source, c.provider, c.delivery, c.price, c.quantity,
    c.valid_from, coalesce(c.valid_to, s.ended_at) AS valid_to, c.valid_to AS changed_to
FROM store.changes c
LEFT JOIN (
    SELECT item, item_id, source, provider, currency, delivery, coalesce(fresh_until, observed_at) AS ended_at
    FROM store.dated WHERE NOT fresh
) s ON s.item = c.item AND s.item_id = c.item_id AND s.source = c.source AND s.provider = c.provider
    AND s.currency = c.currency AND s.delivery = c.delivery AND c.valid_to IS NULL
WHERE c.delivery <> 'bid' AND (c.lowest_ask > 0 OR c.price > 0) AND c.quantity IS DISTINCT FROM 0
    AND NOT (c.phase IS NULL
        AND c.market_hash_name IN (SELECT market_hash_name FROM store.item WHERE phase IS NOT NULL))
    AND coalesce(c.valid_from < s.ended_at, true);

-- The best ask now. A marketplace that two sources report counts once.
CREATE OR REPLACE VIEW store.best_now AS
SELECT item, market_hash_name, phase, currency,
    min_by(struct_pack(price, provider), struct_pack(price, source, provider, delivery)) AS best,
    count(DISTINCT provider) AS markets, TRY_CAST(sum(quantity) AS BIGINT) AS listed
FROM (
    SELECT item, market_hash_name, phase, currency, provider, delivery,
        unnest(min_by(struct_pack(price, source), struct_pack(price, source))), max(quantity)::HUGEINT AS quantity
    FROM store.live WHERE delivery <> 'bid'
    GROUP BY item, market_hash_name, phase, currency, provider, delivery
)
GROUP BY item, market_hash_name, phase, currency;

CREATE OR REPLACE MACRO movers(period) AS TABLE
WITH past AS (
    SELECT a.item, a.currency,
        min_by(struct_pack(a.price, a.provider), struct_pack(a.price, a.source, a.provider, a.delivery)) AS best
    FROM store.ask_state a JOIN store.newest_of_source n ON n.source = a.source
    WHERE a.valid_from <= n.observed_to - period::INTERVAL
        AND coalesce(a.valid_to > n.observed_to - period::INTERVAL, true)
    GROUP BY a.item, a.currency
)
SELECT b.item, b.market_hash_name, b.phase, b.currency, p.best.price AS was, b.best.price AS now,
    (b.best.price - p.best.price)::DOUBLE / nullif(p.best.price::DOUBLE, 0) AS change,
    p.best.provider AS was_at, b.best.provider AS now_at, b.markets, b.listed
FROM store.best_now b JOIN past p ON p.item = b.item AND p.currency = b.currency;

-- The best ask is taken once for each day, at the time of day of the newest observation: a state covers the days
-- `first` to `last` back from then.
CREATE OR REPLACE MACRO price_vs_median(days) AS TABLE
WITH sample AS (
    SELECT item, currency, price, unnest(range(first, last + 1)) AS back
    FROM (
        SELECT a.item, a.currency, a.price,
            greatest(coalesce((epoch_us(n.observed_to) - epoch_us(a.valid_to)) // 86400000000, 0) + 1, 1) AS first,
            least((epoch_us(n.observed_to) - epoch_us(a.valid_from)) // 86400000000, days::BIGINT) AS last
        FROM store.ask_state a JOIN store.newest_of_source n ON n.source = a.source
        WHERE a.valid_from < n.observed_to
    )
    WHERE first <= last
), best_of_day AS (
    SELECT item, currency, back, min(price) AS price FROM sample GROUP BY item, currency, back
), own AS (
    SELECT item, currency, median(price)::DECIMAL(20, 8) AS median, count(*) AS days_listed
    FROM best_of_day GROUP BY item, currency
)
SELECT b.item, b.market_hash_name, b.phase, b.currency, b.best.price AS now, b.best.provider AS now_at, o.median,
    (b.best.price - o.median)::DOUBLE / nullif(o.median::DOUBLE, 0) AS change, o.days_listed
FROM store.best_now b JOIN own o ON o.item = b.item AND o.currency = b.currency;

-- Each state once for every UTC day that it is listed in. A state that goes on counts up to the newest observation.
CREATE OR REPLACE MACRO store.asks_by_day(first_day, last_day) AS TABLE
SELECT * EXCLUDE (number, changed_to), store.day_of(number) AS day, greatest(valid_from, store.start_of(number)) AS listed_from,
    coalesce(least(valid_to, store.start_of(number + 1)), store.start_of(number + 1)) AS listed_to,
    valid_from >= store.start_of(number) AS begins
FROM (
    SELECT a.*, unnest(range(
        greatest(store.day_number(a.valid_from), store.number_of(first_day)),
        least(CASE WHEN a.valid_to IS NULL THEN store.day_number(greatest(n.observed_to, a.valid_from))
            ELSE store.day_number(a.valid_to - INTERVAL 1 MICROSECOND) END, store.number_of(last_day)) + 1)) AS number
    FROM store.ask_state a LEFT JOIN store.newest_of_source n ON n.source = a.source
    WHERE a.valid_from < store.start_of(store.number_of(last_day) + 1)
        -- What the scan can filter by, and what counts.
        AND (a.changed_to > store.start_of(store.number_of(first_day)) OR a.changed_to IS NULL)
        AND coalesce(a.valid_to > store.start_of(store.number_of(first_day)), true)
);

CREATE OR REPLACE MACRO store.ohlc(first_day, last_day) AS TABLE
SELECT item, market_hash_name, phase, currency, source, provider, delivery, day,
    min_by(price, valid_from) AS open, max(price) AS high, min(price) AS low, max_by(price, valid_from) AS close,
    arg_max_null(quantity, valid_from) AS quantity, count(*) FILTER (begins) AS changes
FROM store.asks_by_day(first_day, last_day)
GROUP BY item, market_hash_name, phase, currency, source, provider, delivery, day;

-- The best ask at each moment of a day at which an ask begins or ends.
CREATE OR REPLACE MACRO store.best_ask_ohlc(first_day, last_day) AS TABLE
WITH ask AS (
    FROM store.asks_by_day(first_day, last_day)
), moment AS (
    SELECT item, currency, day, listed_from AS instant FROM ask
    UNION
    SELECT item, currency, day, listed_to AS instant FROM ask
), best AS (
    SELECT a.item, a.market_hash_name, a.phase, a.currency, a.day, m.instant,
        min_by(struct_pack(a.price, a.provider), struct_pack(a.price, a.source, a.provider, a.delivery)) AS best
    FROM moment m
    JOIN ask a ON a.item = m.item AND a.currency = m.currency AND a.day = m.day
        AND a.listed_from <= m.instant AND m.instant < a.listed_to
    GROUP BY a.item, a.market_hash_name, a.phase, a.currency, a.day, m.instant
)
SELECT item, market_hash_name, phase, currency, day,
    min_by(best.price, instant) AS open, max(best.price) AS high, min(best.price) AS low, max_by(best.price, instant) AS close,
    min_by(best.provider, instant) AS open_at, max_by(best.provider, instant) AS close_at
FROM best
GROUP BY item, market_hash_name, phase, currency, day;

CREATE OR REPLACE VIEW daily_ohlc AS FROM store.ohlc('1970-01-01', '9999-12-31');

CREATE OR REPLACE MACRO daily_ohlc_between(first_day, last_day) AS TABLE FROM store.ohlc(first_day, last_day);

CREATE OR REPLACE VIEW best_ask_daily_ohlc AS FROM store.best_ask_ohlc('1970-01-01', '9999-12-31');

CREATE OR REPLACE MACRO best_ask_daily_ohlc_between(first_day, last_day) AS TABLE
FROM store.best_ask_ohlc(first_day, last_day);
