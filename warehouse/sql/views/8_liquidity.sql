-- How much of an item is sold. Windows count back from the newest time at which the source answered anything.

CREATE OR REPLACE VIEW store.answered AS
SELECT source, max(answered_at) AS answered_at
FROM (
    SELECT s.source, max(o.observed_to) AS answered_at
    FROM store.last_observation o JOIN store.scope s USING (scope_key) GROUP BY s.source
    UNION ALL
    SELECT i.source, max(s.observed_at) AS answered_at FROM store.sold s JOIN store.item i USING (item_key) GROUP BY i.source
    UNION ALL
    SELECT i.source, max(c.observed_at) AS answered_at FROM store.candle c JOIN store.item i USING (item_key) GROUP BY i.source
)
GROUP BY source;

CREATE OR REPLACE VIEW market_stats AS
SELECT store.item_of(i.market_hash_name, i.phase) AS item, i.source, i.item_id, i.market_hash_name, i.phase,
    m.observed_at, m.provider_count, m.sales_1d, m.sales_7d, m.sales_30d, m.steam_sales_7d, m.steam_sales_30d,
    m.supply, m.liquidity, m."rank", r.run_id
FROM store.market_stat m
JOIN store.item i USING (item_key)
JOIN store.run r USING (run_key);

-- The newest figures of each source: one response has all items.
CREATE OR REPLACE VIEW store.newest_stat AS
SELECT i.market_hash_name, i.phase, m.*
FROM store.market_stat m
JOIN store.item i USING (item_key)
JOIN (
    SELECT i.source, max(m.observed_at) AS observed_at FROM store.market_stat m JOIN store.item i USING (item_key)
    GROUP BY i.source
) n ON n.source = i.source AND n.observed_at = m.observed_at;

-- The sales by marketplace. Sources, and currencies, tell the same sales again: the largest number counts.
CREATE OR REPLACE VIEW store.sales_by_provider AS
SELECT market_hash_name, phase, provider, max(days_1) AS days_1, max(days_7) AS days_7, max(days_30) AS days_30
FROM (
    SELECT i.source, i.market_hash_name, i.phase, p.provider, s.currency,
        count(*) FILTER (s.time > a.answered_at - INTERVAL 1 DAY) AS days_1,
        count(*) FILTER (s.time > a.answered_at - INTERVAL 7 DAY) AS days_7,
        count(*) FILTER (s.time > a.answered_at - INTERVAL 30 DAY) AS days_30
    FROM store.sold s
    JOIN store.item i USING (item_key)
    JOIN store.provider p USING (provider_key)
    JOIN store.answered a ON a.source = i.source
    GROUP BY i.source, i.market_hash_name, i.phase, p.provider, s.currency
    UNION ALL BY NAME
    SELECT market_hash_name, phase, 'steam' AS provider, steam_sales_7d AS days_7, steam_sales_30d AS days_30
    FROM store.newest_stat WHERE steam_sales_30d IS NOT NULL
)
GROUP BY market_hash_name, phase, provider;

-- The trades that the API estimates, in candles and in its figures, and the quantity listed on average. Candles of several lengths, sources and
-- currencies tell the same trades again: the largest number counts.
CREATE OR REPLACE VIEW store.volume_of_item AS
SELECT market_hash_name, phase, max(volume_1) AS volume_1, max(volume_7) AS volume_7, max(volume_30) AS volume_30,
    max(quantity_1) AS quantity_1, max(quantity_7) AS quantity_7, max(quantity_30) AS quantity_30
FROM (
    SELECT i.source, i.market_hash_name, i.phase, c.currency, c."interval",
        sum(c.volume) FILTER (c.time > a.answered_at - INTERVAL 1 DAY) AS volume_1,
        sum(c.volume) FILTER (c.time > a.answered_at - INTERVAL 7 DAY) AS volume_7,
        sum(c.volume) FILTER (c.time > a.answered_at - INTERVAL 30 DAY) AS volume_30,
        avg(c.quantity) FILTER (c.time > a.answered_at - INTERVAL 1 DAY) AS quantity_1,
        avg(c.quantity) FILTER (c.time > a.answered_at - INTERVAL 7 DAY) AS quantity_7,
        avg(c.quantity) FILTER (c.time > a.answered_at - INTERVAL 30 DAY) AS quantity_30
    FROM store.candle c
    JOIN store.item i USING (item_key)
    JOIN store.answered a ON a.source = i.source
    GROUP BY i.source, i.market_hash_name, i.phase, c.currency, c."interval"
    UNION ALL BY NAME
    SELECT market_hash_name, phase, sales_1d AS volume_1, sales_7d AS volume_7, sales_30d AS volume_30 FROM store.newest_stat
)
GROUP BY market_hash_name, phase;

CREATE OR REPLACE VIEW liquidity AS
SELECT store.item_of(market_hash_name, phase) AS item, market_hash_name, phase,
    max(sales_1) AS sales_1d, max(sales_7) AS sales_7d, max(sales_30) AS sales_30d,
    max(volume_1) AS volume_1d, max(volume_7) AS volume_7d, max(volume_30) AS volume_30d,
    max(quantity_1) AS quantity_1d, max(quantity_7) AS quantity_7d, max(quantity_30) AS quantity_30d,
    max(supply) AS supply, max(liquidity) AS liquidity
FROM (
    SELECT market_hash_name, phase, sum(days_1)::BIGINT AS sales_1, sum(days_7)::BIGINT AS sales_7,
        sum(days_30)::BIGINT AS sales_30
    FROM store.sales_by_provider GROUP BY market_hash_name, phase
    UNION ALL BY NAME
    SELECT market_hash_name, phase, TRY_CAST(volume_1 AS BIGINT) AS volume_1, TRY_CAST(volume_7 AS BIGINT) AS volume_7,
        TRY_CAST(volume_30 AS BIGINT) AS volume_30, quantity_1, quantity_7, quantity_30
    FROM store.volume_of_item
    UNION ALL BY NAME
    SELECT market_hash_name, phase, supply, liquidity FROM store.newest_stat
)
GROUP BY market_hash_name, phase;
