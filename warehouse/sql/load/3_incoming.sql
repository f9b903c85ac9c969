-- The rows that were landed, by key. In: landed (a stream), page, name_key. Out: arrived; incoming, the same with what
-- their keys stand for. A key is null where the name is new. `told` is a price that is not what the minor units say.

CREATE OR REPLACE TEMP TABLE arrived AS
SELECT (n.item_key::BIGINT << 20) | l.book_key AS quote_key, l.lowest_ask,
    CASE WHEN l.price IS DISTINCT FROM hundredths(l.lowest_ask) THEN l.price END AS told,
    l.quantity, l.timestamp AS changed_at, l.last_updated, l.url, l.page
FROM landed l
LEFT JOIN name_key n ON n.item_id = l.item_id AND n.phase = coalesce(l.phase, '')
    AND n.market_hash_name = l.market_hash_name;

CREATE OR REPLACE TEMP VIEW incoming AS
SELECT a.quote_key, (a.quote_key >> 20)::INTEGER AS item_key, b.provider_key, b.currency, b.delivery,
    a.lowest_ask, coalesce(a.told, hundredths(a.lowest_ask)) AS price, a.quantity, a.changed_at, a.last_updated, a.url,
    p.observed_at, p.shard
FROM arrived a
JOIN page p USING (page)
LEFT JOIN store.book b ON b.book_key = a.quote_key & 1048575;
