-- How asks moved. A quote counts while it is listed: from its `valid_from` up to and without its `valid_to`. A quote
-- that went stale, because no basket observes it any more, ends where its freshness ends.

CREATE OR REPLACE VIEW store.newest_of_source AS
SELECT s.source, max(o.observed_to) AS observed_to
FROM store.last_observation o JOIN store.scope s USING (scope_key)
GROUP BY s.source;

-- `ends_at` and `file` are never null, so that comparisons with them reach the storage. `file` is that of the sealed month
-- in which the state ended. Any other state has a text that comes after every path.
CREATE OR REPLACE VIEW store.ask_state AS
SELECT store.item_of(i.market_hash_name, i.phase) AS item, i.market_hash_name, i.phase, h.currency, i.source, h.provider_key,
    h.delivery, store.price_by(h.other_price, h.lowest_ask) AS price, h.quantity, h.valid_from, h.ends_at, h.file
FROM (
    SELECT item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, valid_from,
        valid_to AS ends_at, file, true AS observed
    FROM store.ended_state
    UNION ALL
    SELECT c.item_key, c.provider_key, c.currency, c.delivery,
        CASE WHEN c.at_change IS NULL THEN c.lowest_ask ELSE c.at_change.lowest_ask END,
        CASE WHEN c.at_change IS NULL THEN c.other_price ELSE c.at_change.other_price END, c.quantity, c.valid_from,
        coalesce(l.lapsed_at, 'infinity'), '0', true
    FROM store.current c LEFT JOIN store.lapsed_quote l ON l.quote_key = c.quote_key
    UNION ALL
    SELECT f.item_key, f.provider_key, f.currency, 'standard', f.lowest_ask, f.other_price, f.quantity, f.valid_from,
        coalesce(f.valid_to, l.lapsed_at, f.known_to, 'infinity'), '0', false
    FROM store.filled_state f
    LEFT JOIN (FROM store.lapsed_quote WHERE delivery = 'standard') l
        ON l.item_key = f.item_key AND l.provider_key = f.provider_key AND l.currency = f.currency) h
JOIN store.item i ON i.item_key = h.item_key
JOIN store.item_group g ON g.item_key = h.item_key
WHERE h.delivery <> 'bid' AND h.lowest_ask IS NOT NULL AND (h.lowest_ask > 0 OR price > 0)
    AND h.quantity IS DISTINCT FROM 0 AND g.is_one AND h.valid_from < h.ends_at
    -- The states that a point divides. DuckDB may exchange the sides of an ANTI JOIN, which keeps the days of store.ohlc
    -- from the storage; those of NOT IN stay.
    AND (h.item_key, h.provider_key, h.currency, h.delivery, h.valid_from, h.observed) NOT IN (
        SELECT (item_key, provider_key, currency, 'standard', valid_from, true) FROM store.filled_state WHERE replaces
    );

-- The best ask now of each item of a source, of the quotes that `best_ask` counts, with the number of marketplaces and of
-- copies. A marketplace that may have several quotes of one item, of several sources, deliveries or items of the same name,
-- has rows of its own: by `told_by` and `told_as`, its name and the delivery. The quotes of all others are counted in one
-- row, because a row for each quote of the market takes three times as long.
CREATE OR REPLACE VIEW store.offered_now AS
SELECT item_key, market_hash_name, phase, currency, told_by, CASE WHEN told_by IS NOT NULL THEN delivery END AS told_as,
    any_value(group_key) AS group_key, min(struct_pack(price, source, provider, delivery)) AS best,
    count(*) AS markets, sum(quantity) AS listed
FROM (
    SELECT c.item_key, i.market_hash_name, i.phase, c.currency, c.delivery, c.quantity, p.source, p.provider, g.group_key,
        store.price_by(c.other_price, c.lowest_ask) AS price,
        CASE WHEN p.has_several OR i.has_several THEN p.provider END AS told_by
    FROM store.current c
    JOIN (
        SELECT *, count(*) OVER (PARTITION BY market_hash_name, phase, source) > 1 AS has_several FROM store.item
    ) i ON i.item_key = c.item_key
    JOIN store.item_group g ON g.item_key = c.item_key
    JOIN (
        SELECT p.*, s.provider IS NOT NULL AS has_several
        FROM store.provider p
        LEFT JOIN (
            SELECT provider FROM store.provider JOIN store.book USING (provider_key) WHERE delivery <> 'bid'
            GROUP BY provider HAVING count(DISTINCT row(source, delivery)) > 1
        ) s ON s.provider = p.provider
    ) p ON p.provider_key = c.provider_key
    ANTI JOIN store.lapsed_quote l ON l.quote_key = c.quote_key
    WHERE c.delivery <> 'bid' AND c.lowest_ask IS NOT NULL AND (c.lowest_ask > 0 OR c.other_price > 0)
        AND c.quantity IS DISTINCT FROM 0 AND g.is_one
)
GROUP BY item_key, market_hash_name, phase, currency, told_by, told_as;

-- The best ask now of each item of all sources. A marketplace that two sources report counts once.
CREATE OR REPLACE VIEW store.best_now AS
SELECT store.item_of(market_hash_name, phase) AS item, market_hash_name, phase, currency,
    any_value(group_key) AS group_key, min(best) AS best,
    coalesce(sum(markets), 0)::BIGINT + count(DISTINCT told_by) AS markets, TRY_CAST(sum(listed) AS BIGINT) AS listed
FROM (
    SELECT market_hash_name, phase, currency, told_by, any_value(group_key) AS group_key, min(best) AS best,
        sum(markets) FILTER (told_by IS NULL) AS markets,
        CASE WHEN told_by IS NULL THEN sum(listed) ELSE max(listed) END AS listed
    FROM store.offered_now
    GROUP BY market_hash_name, phase, currency, told_by, told_as
)
GROUP BY market_hash_name, phase, currency;

-- The end of the newest observation of any source: the past counts back from then.
CREATE OR REPLACE VIEW store.newest_observation AS SELECT max(observed_to) AS observed_to FROM store.last_observation;

CREATE OR REPLACE MACRO movers(period) AS TABLE
SELECT b.item, b.market_hash_name, b.phase, b.currency, p.price AS was, b.best.price AS now,
    (b.best.price - p.price)::DOUBLE / nullif(p.price::DOUBLE, 0) AS change,
    p.provider AS was_at, b.best.provider AS now_at, b.markets, b.listed
FROM store.best_now b
JOIN (
    SELECT a.group_key, a.item, a.market_hash_name, a.currency, a.price, a.provider
    FROM store.best_ask_of_item a
    JOIN (SELECT observed_to - period::INTERVAL AS moment FROM store.newest_observation) n
        ON a.valid_from <= n.moment AND a.ends_at > n.moment
) p ON p.group_key = b.group_key AND p.currency = b.currency
    -- So that a filter on either one reaches both sides.
    AND p.item = b.item AND p.market_hash_name = b.market_hash_name;

-- The best ask is taken once for each day, at the time of day of the newest observation. A day on which none is known counts
-- with the lowest of its daily points.
CREATE OR REPLACE MACRO store.moments_of_days(days) AS TABLE
SELECT moment, store.day_of(store.day_number(moment)) AS day
FROM (SELECT observed_to - to_days(unnest(range(1, days::INTEGER + 1))::INTEGER) AS moment FROM store.newest_observation);

CREATE OR REPLACE MACRO price_vs_median(days) AS TABLE
SELECT b.item, b.market_hash_name, b.phase, b.currency, b.best.price AS now, b.best.provider AS now_at, o.median,
    (b.best.price - o.median)::DOUBLE / nullif(o.median::DOUBLE, 0) AS change, o.days_listed, o.days_of_points
FROM store.best_now b
JOIN (
    SELECT group_key, item, market_hash_name, currency, median(price)::DECIMAL(20, 8) AS median, count(*) AS days_listed,
        count(*) FILTER (is_point) AS days_of_points
    FROM (
        SELECT a.group_key, a.item, a.market_hash_name, a.currency, a.price, false AS is_point
        FROM store.best_ask_of_item a
        JOIN store.moments_of_days(days) n ON a.valid_from <= n.moment AND a.ends_at > n.moment
        UNION ALL
        SELECT d.group_key, d.item, d.market_hash_name, d.currency, min(d.price), true
        FROM store.daily_ask d
        JOIN store.moments_of_days(days) n ON n.day = d.day
        -- No ANTI JOIN: through that, a filter on the item does not reach the other side.
        LEFT JOIN store.best_ask_of_item a
            ON a.group_key = d.group_key AND a.item = d.item AND a.market_hash_name = d.market_hash_name
            AND a.currency = d.currency AND a.valid_from <= n.moment AND a.ends_at > n.moment
        WHERE a.group_key IS NULL
        GROUP BY d.group_key, d.item, d.market_hash_name, d.currency, d.day
    )
    GROUP BY group_key, item, market_hash_name, currency
) o ON o.group_key = b.group_key AND o.currency = b.currency
    -- So that a filter on either one reaches both sides.
    AND o.item = b.item AND o.market_hash_name = b.market_hash_name;

-- The UTC days from the first ask to the newest observation. A state is joined with the days that it is listed in by their
-- times: thus a filter on the day reaches the storage, as a range of times.
CREATE OR REPLACE MACRO store.days_between(first_day, last_day) AS TABLE
SELECT store.day_of(number) AS day, store.start_of(number) AS starts_at, store.start_of(number + 1) AS ends_at,
    store.first_file(store.start_of(number)) AS file
FROM (
    SELECT unnest(range(greatest(store.number_of(first_day), first), least(store.number_of(last_day), last) + 1)) AS number
    FROM (
        -- Of each table alone, which its statistics answer.
        SELECT store.day_number(least((SELECT min(valid_from) FROM store.best_ask_history),
            (SELECT min(valid_from) FROM store.best_ask_current))) AS first
    ) CROSS JOIN (
        SELECT store.day_number(max(moment)) AS last
        FROM (
            SELECT observed_to AS moment FROM store.newest_observation
            UNION ALL SELECT max(valid_from) FROM store.current
            UNION ALL SELECT max(valid_from) FROM store.filled_state
        )
    )
);

-- A state that goes on counts up to the newest observation of its source. The daily points have no times: they count for a
-- quote and a day without a state, which the same aggregates tell, so that no join does. The marketplaces join the states of the days:
-- joined with the states of one item before, of which DuckDB expects few, they would keep the days from the storage.
CREATE OR REPLACE MACRO store.ohlc(first_day, last_day) AS TABLE
SELECT a.item, a.market_hash_name, a.phase, a.currency, a.source, v.provider, a.delivery, a.day,
    coalesce(min_by(a.price, a.valid_from), any_value(a.point)) AS open,
    coalesce(max(a.price), any_value(a.point)) AS high, coalesce(min(a.price), any_value(a.point)) AS low,
    coalesce(max_by(a.price, a.valid_from), any_value(a.point)) AS close,
    arg_max_null(a.quantity, a.valid_from) AS quantity,
    CASE WHEN count(a.valid_from) > 0 THEN count(*) FILTER (a.valid_from >= a.starts_at) END AS changes,
    CASE WHEN count(a.valid_from) > 0 THEN 'quotes' ELSE 'daily points' END AS origin
FROM (
    SELECT a.item, a.market_hash_name, a.phase, a.currency, a.source, a.provider_key, a.delivery, a.price,
        NULL::DECIMAL(20, 8) AS point, a.quantity, a.valid_from, a.ends_at, d.day, d.starts_at
    FROM store.ask_state a
    JOIN store.days_between(store.kept_day(first_day), last_day) d
        ON a.valid_from < d.ends_at AND a.ends_at > d.starts_at AND a.file >= d.file
    WHERE a.valid_from < store.start_of(store.number_of(last_day) + 1)
        AND a.ends_at > store.start_of(store.number_of(store.kept_day(first_day)))
        AND a.file >= store.first_file(store.start_of(store.number_of(store.kept_day(first_day))))
    UNION ALL
    SELECT d.item, d.market_hash_name, d.phase, d.currency, d.source, d.provider_key, 'standard', NULL, d.price, NULL,
        NULL, '-infinity', d.day, NULL
    FROM store.daily_ask d
    WHERE d.day BETWEEN first_day::DATE AND last_day::DATE
) a
JOIN store.provider v ON v.provider_key = a.provider_key
LEFT JOIN store.newest_of_source n ON n.source = a.source
WHERE a.ends_at < 'infinity' OR a.starts_at <= greatest(n.observed_to, a.valid_from)
GROUP BY a.item, a.market_hash_name, a.phase, a.currency, a.source, v.provider, a.delivery, a.day;

-- The best asks that stand on each day, up to the newest observation of any source.
CREATE OR REPLACE MACRO store.best_ask_ohlc(first_day, last_day) AS TABLE
SELECT a.item, a.market_hash_name, a.phase, a.currency, a.day,
    coalesce(min_by(a.price, a.valid_from), min(a.point)) AS open, coalesce(max(a.price), min(a.point)) AS high,
    coalesce(min(a.price), min(a.point)) AS low, coalesce(max_by(a.price, a.valid_from), min(a.point)) AS close,
    coalesce(min_by(a.provider, a.valid_from), min_by(a.provider, a.point)) AS open_at,
    coalesce(max_by(a.provider, a.valid_from), min_by(a.provider, a.point)) AS close_at,
    CASE WHEN count(a.valid_from) > 0 THEN 'quotes' ELSE 'daily points' END AS origin
FROM (
    SELECT a.item, a.market_hash_name, a.phase, a.currency, d.day, a.price, NULL::DECIMAL(20, 8) AS point, a.provider,
        a.valid_from
    FROM store.best_ask_of_item a
    JOIN store.days_between(first_day, last_day) d ON a.valid_from < d.ends_at AND a.ends_at > d.starts_at
    CROSS JOIN store.newest_observation n
    WHERE (a.ends_at < 'infinity' OR d.starts_at <= greatest(n.observed_to, a.valid_from))
        AND a.valid_from < store.start_of(store.number_of(last_day) + 1)
        AND a.ends_at > store.start_of(store.number_of(first_day))
    UNION ALL
    SELECT d.item, d.market_hash_name, d.phase, d.currency, d.day, NULL, d.price, v.provider, NULL
    FROM store.daily_ask d JOIN store.provider v USING (provider_key)
    WHERE d.day BETWEEN first_day::DATE AND last_day::DATE
) a
GROUP BY a.item, a.market_hash_name, a.phase, a.currency, a.day;

CREATE OR REPLACE VIEW daily_ohlc AS FROM store.ohlc('1970-01-01', '9999-12-31');

CREATE OR REPLACE MACRO daily_ohlc_between(first_day, last_day) AS TABLE FROM store.ohlc(first_day, last_day);

CREATE OR REPLACE VIEW best_ask_daily_ohlc AS FROM store.best_ask_ohlc('1970-01-01', '9999-12-31');

CREATE OR REPLACE MACRO best_ask_daily_ohlc_between(first_day, last_day) AS TABLE
FROM store.best_ask_ohlc(first_day, last_day);
