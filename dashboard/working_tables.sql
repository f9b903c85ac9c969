-- The tables in memory that the pages read: what a page needs of the whole market, computed once for a generation. Each has
-- the columns that a page shows, and no other one: they stay in memory, and those of two generations during a publish.

CREATE TABLE memory.main.best AS SELECT item, currency, provider, price, observed_at FROM best_ask;

CREATE TABLE memory.main.mover_24h AS
SELECT item, currency, was, now, change, now_at, markets, listed FROM movers('24 hours');

CREATE TABLE memory.main.marketplace AS
WITH listed AS (
    SELECT q.currency, q.provider, count(*) AS quotes, sum(q.quantity)::BIGINT AS listings,
        count(*) FILTER (q.price = b.price) AS cheapest, median(q.price / b.price) - 1 AS over_best,
        max(q.observed_at) AS observed_at
    FROM quotes q JOIN memory.main.best b USING (item, currency)
    WHERE q.fresh AND NOT q.aggregate AND q.price > 0 AND q.quantity IS DISTINCT FROM 0
    GROUP BY q.currency, q.provider
)
SELECT l.*, p.sell_fee
FROM listed l
LEFT JOIN (SELECT provider, any_value(sell_fee) AS sell_fee FROM providers GROUP BY provider) p USING (provider);

CREATE TABLE memory.main.figure AS
SELECT b.currency, count(*) AS items, sum(b.price) AS one_of_each, max(b.observed_at) AS observed_at,
    any_value(a.quotes) AS quotes, any_value(a.listings) AS listings, any_value(a.marketplaces) AS marketplaces,
    coalesce(any_value(m.up), 0) AS up, coalesce(any_value(m.down), 0) AS down
FROM memory.main.best b
JOIN (
    SELECT currency, sum(quotes)::BIGINT AS quotes, sum(listings)::BIGINT AS listings, count(*) AS marketplaces
    FROM memory.main.marketplace GROUP BY currency
) a USING (currency)
LEFT JOIN (
    SELECT currency, count(*) FILTER (change > 0) AS up, count(*) FILTER (change < 0) AS down
    FROM memory.main.mover_24h GROUP BY currency
) m USING (currency)
GROUP BY b.currency;

CREATE TABLE memory.main.name AS SELECT * EXCLUDE (search_text) FROM item_names;

CREATE TABLE memory.main.spread AS
SELECT item, currency, bought_at, bought_price, bought_quantity, sold_at, sold_by, sold_price, sold_fee, proceeds,
    profit, margin, outliers, observed_at
FROM best_spreads;

-- A view of all quotes takes longer to plan than to read: the page of an item plans one of them less.
CREATE TABLE memory.main.bid AS SELECT item, currency, provider, price, fresh FROM bids WHERE fresh;

CREATE TABLE memory.main.listed AS
SELECT item, currency, count(DISTINCT provider) AS markets, sum(quantity)::BIGINT AS listed
FROM quotes WHERE fresh AND NOT aggregate AND price > 0 AND quantity IS DISTINCT FROM 0
GROUP BY item, currency;

CREATE TABLE memory.main.freshness AS
SELECT provider, currency, sum(listed)::BIGINT AS listed,
    sum(fresh) / nullif(sum(listed), 0) AS fresh_share, max(observed_at) AS observed_at
FROM coverage WHERE delivery <> 'bid' GROUP BY provider, currency;

CREATE TABLE memory.main.mover_1h AS
SELECT item, currency, was, now, change, now_at, markets, listed FROM movers('1 hour');

CREATE TABLE memory.main.mover_7d AS
SELECT item, currency, was, now, change, now_at, markets, listed FROM movers('7 days');

CREATE TABLE memory.main.mover_30d AS
SELECT item, currency, was, now, change, now_at, markets, listed FROM movers('30 days');

CREATE TABLE memory.main.basket AS
SELECT basket, source, arg_max(state, started_at) AS state,
    arg_max_null(incomplete_reason, started_at) AS reason,
    max(started_at) FILTER (state = 'done') AS last_success,
    arg_max_null(interval_seconds, started_at) AS interval_seconds,
    arg_max(rows_fetched, started_at) AS rows_fetched, arg_max(rows_changed, started_at) AS rows_changed,
    arg_max(requests, started_at) AS requests, arg_max_null(quota_remaining, started_at) AS quota_remaining,
    list_reverse(list(state ORDER BY started_at DESC)[:40]) AS states
FROM runs WHERE flow = 'snapshot' GROUP BY basket, source;

-- A backfill has many runs: one row stands for all of them.
CREATE TABLE memory.main.recent_run AS
SELECT arg_max(run_id, started_at) AS run_id, flow, basket, source,
    arg_max(state, started_at) AS state, min(started_at) AS started_at, count(*) AS runs,
    to_microseconds(sum(date_diff('microsecond', started_at, finished_at))::BIGINT) AS took,
    sum(requests)::BIGINT AS requests,
    sum(rows_fetched)::BIGINT AS rows_fetched, sum(rows_changed)::BIGINT AS rows_changed,
    sum(rows_rejected)::BIGINT AS rows_rejected,
    arg_max_null(incomplete_reason, started_at) AS incomplete_reason, max(runs.started_at) AS newest
FROM runs GROUP BY flow, basket, source, CASE WHEN flow = 'snapshot' THEN run_id END
ORDER BY newest DESC, run_id LIMIT 60;
