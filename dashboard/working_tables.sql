-- The tables in memory that the pages read: what a page needs of the whole market, computed once for a generation.

CREATE TABLE memory.main.best AS FROM best_ask;

-- What is listed now, one row for each quote that counts as "now".
CREATE TABLE memory.main.ask AS
SELECT item, market_hash_name, phase, currency, provider, delivery, price, quantity, observed_at
FROM quotes
WHERE fresh AND NOT aggregate AND price > 0 AND quantity IS DISTINCT FROM 0;

CREATE TABLE memory.main.mover AS FROM movers('24 hours');

CREATE TABLE memory.main.marketplace AS
WITH listed AS (
    SELECT a.currency, a.provider, count(*) AS quotes, sum(a.quantity)::BIGINT AS listings,
        count(*) FILTER (a.price = b.price) AS cheapest, median(a.price / b.price) - 1 AS over_best,
        max(a.observed_at) AS observed_at
    FROM memory.main.ask a JOIN memory.main.best b USING (item, currency)
    GROUP BY a.currency, a.provider
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
    FROM memory.main.mover GROUP BY currency
) m USING (currency)
GROUP BY b.currency;

CREATE TABLE memory.main.name AS FROM item_names;

CREATE TABLE memory.main.spread AS FROM best_spreads;

CREATE TABLE memory.main.listed AS
SELECT item, currency, count(DISTINCT provider) AS markets, sum(quantity)::BIGINT AS listed
FROM memory.main.ask GROUP BY item, currency;
