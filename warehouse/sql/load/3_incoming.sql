-- Where the rows that were landed go, by key; nothing is in it yet. In: page. Out: arrived; incoming, the same with what
-- their keys stand for. A key is null where the name is new. See store.current for other_price.

CREATE OR REPLACE TEMP TABLE arrived (
    quote_key BIGINT, lowest_ask BIGINT, other_price DECIMAL(20, 8), quantity BIGINT, changed_at TIMESTAMPTZ,
    last_updated TIMESTAMPTZ, url VARCHAR, page INTEGER
);

CREATE OR REPLACE TEMP VIEW incoming AS
SELECT a.quote_key, (a.quote_key >> 20)::INTEGER AS item_key, b.provider_key, b.currency, b.delivery,
    a.lowest_ask, a.other_price, store.price_by(a.other_price, a.lowest_ask) AS price, a.quantity,
    a.changed_at, a.last_updated, a.url, p.observed_at, p.shard
FROM arrived a
JOIN page p USING (page)
LEFT JOIN store.book b ON b.book_key = a.quote_key & 1048575;
