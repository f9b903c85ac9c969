-- What differs from the last answer, and what of it did not come. In: incoming, asked. Out: compared, and of it moved
-- (`fresh`: never seen before; `changed`: by the rule of what a change is; the rest only brings a converted amount, or
-- an address, up to date).

CREATE OR REPLACE TEMP TABLE compared AS
SELECT i.* EXCLUDE (quote_key, shard, others), coalesce(i.quote_key, c.quote_key) AS quote_key,
    i.quote_key IS NOT NULL AS brought, c.quote_key IS NULL AS fresh, c.price AS was_price, c.seen_at,
    c.valid_from AS was_valid_from,
    greatest(i.observed_at, c.valid_from + INTERVAL 1 MICROSECOND) AS valid_from,
    c.quote_key IS NULL
        OR is_change(i.currency, c.price, c.quantity, c.changed_at, i.price, i.quantity, i.changed_at) AS changed
FROM incoming i
FULL JOIN (
    SELECT quote_key, lowest_ask, price, quantity, changed_at, valid_from, seen_at, url IS NULL AS unaddressed
    FROM store.current
    WHERE quote_key & 1048575 IN (SELECT book_key FROM store.book SEMI JOIN asked USING (provider_key, currency, delivery))
) c ON c.quote_key = i.quote_key
WHERE CASE
    WHEN i.quote_key IS NULL THEN c.price IS NOT NULL
    WHEN c.quote_key IS NULL THEN true
    ELSE c.price IS DISTINCT FROM i.price OR c.quantity IS DISTINCT FROM i.quantity
        OR c.lowest_ask IS DISTINCT FROM i.lowest_ask
        OR (i.currency <> 'USD' AND coalesce(i.changed_at > c.changed_at, i.changed_at IS NOT NULL))
        OR (c.unaddressed AND i.url IS NOT NULL)
END;

CREATE OR REPLACE TEMP VIEW moved AS FROM compared WHERE brought;
