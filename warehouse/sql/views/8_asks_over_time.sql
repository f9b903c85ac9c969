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
    FROM store.dated_quote WHERE NOT fresh
) s ON s.item = c.item AND s.item_id = c.item_id AND s.source = c.source AND s.provider = c.provider
    AND s.currency = c.currency AND s.delivery = c.delivery AND c.valid_to IS NULL
WHERE c.delivery <> 'bid' AND (c.lowest_ask > 0 OR c.price > 0) AND c.quantity IS DISTINCT FROM 0
    AND NOT (c.phase IS NULL
        AND c.market_hash_name IN (SELECT market_hash_name FROM store.item WHERE phase IS NOT NULL))
    AND coalesce(c.valid_from < s.ended_at, true);

-- The best ask now. A marketplace that two sources report counts once.
CREATE OR REPLACE VIEW store.best_now AS
SELECT group_key, item, market_hash_name, phase, currency,
    min_by(struct_pack(price, provider), struct_pack(price, source, provider, delivery)) AS best,
    count(DISTINCT provider) AS markets, TRY_CAST(sum(quantity) AS BIGINT) AS listed
FROM (
    SELECT group_key, item, market_hash_name, phase, currency, provider, delivery,
        unnest(min_by(struct_pack(price, source), struct_pack(price, source))), max(quantity)::HUGEINT AS quantity
    FROM store.live WHERE delivery <> 'bid'
    GROUP BY group_key, item, market_hash_name, phase, currency, provider, delivery
)
GROUP BY group_key, item, market_hash_name, phase, currency;

-- The end of the newest observation of any source: the past counts back from then.
CREATE OR REPLACE VIEW store.newest_observation AS SELECT max(observed_to) AS observed_to FROM store.observation;

CREATE OR REPLACE MACRO movers(period) AS TABLE
SELECT b.item, b.market_hash_name, b.phase, b.currency, p.price AS was, b.best.price AS now,
    (b.best.price - p.price)::DOUBLE / nullif(p.price::DOUBLE, 0) AS change,
    p.provider AS was_at, b.best.provider AS now_at, b.markets, b.listed
FROM store.best_now b
JOIN (
    SELECT a.group_key, a.currency, a.price, a.provider
    FROM store.best_ask_of_item a
    JOIN (SELECT observed_to - period::INTERVAL AS moment FROM store.newest_observation) n
        ON a.valid_from <= n.moment AND a.ends_at > n.moment
) p ON p.group_key = b.group_key AND p.currency = b.currency;

-- The best ask is taken once for each day, at the time of day of the newest observation.
CREATE OR REPLACE MACRO price_vs_median(days) AS TABLE
SELECT b.item, b.market_hash_name, b.phase, b.currency, b.best.price AS now, b.best.provider AS now_at, o.median,
    (b.best.price - o.median)::DOUBLE / nullif(o.median::DOUBLE, 0) AS change, o.days_listed
FROM store.best_now b
JOIN (
    SELECT a.group_key, a.currency, median(a.price)::DECIMAL(20, 8) AS median, count(*) AS days_listed
    FROM store.best_ask_of_item a
    JOIN (
        SELECT observed_to - to_days(unnest(range(1, days::INTEGER + 1))::INTEGER) AS moment FROM store.newest_observation
    ) n ON a.valid_from <= n.moment AND a.ends_at > n.moment
    GROUP BY a.group_key, a.currency
) o ON o.group_key = b.group_key AND o.currency = b.currency;

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

-- The best asks that stand on each day, up to the newest observation of any source.
CREATE OR REPLACE MACRO store.best_ask_ohlc(first_day, last_day) AS TABLE
SELECT item, market_hash_name, phase, currency, day,
    min_by(price, valid_from) AS open, max(price) AS high, min(price) AS low, max_by(price, valid_from) AS close,
    min_by(provider, valid_from) AS open_at, max_by(provider, valid_from) AS close_at
FROM store.best_ask_of_item a
JOIN (
    SELECT store.day_of(number) AS day, store.start_of(number) AS starts_at, store.start_of(number + 1) AS ends_at
    FROM (
        SELECT unnest(range(
            greatest(store.number_of(first_day), first), least(store.number_of(last_day), last) + 1)) AS number
        FROM (
            SELECT store.day_number(min(valid_from)) AS first FROM store.best_ask_state
        ) CROSS JOIN (
            SELECT store.day_number(max(moment)) AS last
            FROM (
                SELECT observed_to AS moment FROM store.newest_observation
                UNION ALL SELECT max(valid_from) FROM store.best_ask_current
            )
        )
    )
) d ON a.valid_from < d.ends_at AND a.ends_at > d.starts_at
GROUP BY item, market_hash_name, phase, currency, day;

CREATE OR REPLACE VIEW daily_ohlc AS FROM store.ohlc('1970-01-01', '9999-12-31');

CREATE OR REPLACE MACRO daily_ohlc_between(first_day, last_day) AS TABLE FROM store.ohlc(first_day, last_day);

CREATE OR REPLACE VIEW best_ask_daily_ohlc AS FROM store.best_ask_ohlc('1970-01-01', '9999-12-31');

CREATE OR REPLACE MACRO best_ask_daily_ohlc_between(first_day, last_day) AS TABLE
FROM store.best_ask_ohlc(first_day, last_day);
