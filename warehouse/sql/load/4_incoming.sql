-- The rows that were landed, by key. In: landed (a stream), name_key. Out: incoming; a key is null where the name is
-- new.

CREATE OR REPLACE TEMP TABLE incoming AS
SELECT (n.item_key::BIGINT << 20) | l.book_key AS quote_key, n.item_key, l.provider_key, l.currency, l.delivery,
    l.lowest_ask, l.price, l.quantity, l.timestamp AS changed_at, l.last_updated, l.url, l.observed_at, l.shard,
    NULL::UTINYINT AS others
FROM landed l
LEFT JOIN name_key n ON n.item_id = l.item_id AND n.phase = coalesce(l.phase, '')
    AND n.market_hash_name = l.market_hash_name;
