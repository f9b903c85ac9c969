-- Stage the rows of typed pages. In: landed_row (a stream), name_key. Out: more rows in staged_row.

INSERT INTO staged_row
SELECT (n.item_key::BIGINT << 20) | l.book_key, l.lowest_ask,
    CASE WHEN l.price IS DISTINCT FROM store.price_of(l.lowest_ask) THEN l.price END,
    l.quantity, past_timestamp(l.timestamp), past_timestamp(l.last_updated), l.url, l.page
FROM landed_row l
LEFT JOIN name_key n ON n.item_id = l.item_id AND n.phase = coalesce(l.phase, '')
    AND n.market_hash_name = l.market_hash_name;
