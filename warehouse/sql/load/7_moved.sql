-- What differs from the last answer. In: incoming. Out: moved (`fresh`: never seen before; `changed`: by the rule of
-- what a change is; the rest only brings a converted amount, or an address, up to date).

CREATE OR REPLACE TEMP TABLE moved AS
SELECT i.* EXCLUDE (shard), c.price AS was_price, c.item_key IS NULL AS fresh,
    greatest(i.observed_at, c.valid_from + INTERVAL 1 MICROSECOND) AS valid_from,
    c.item_key IS NULL
        OR is_change(i.currency, c.price, c.quantity, c.changed_at, i.price, i.quantity, i.changed_at) AS changed
FROM incoming i
LEFT JOIN store.current c ON c.item_key = i.item_key AND c.provider_key = i.provider_key
    AND c.currency = i.currency AND c.delivery = i.delivery
WHERE c.item_key IS NULL
    OR c.price IS DISTINCT FROM i.price OR c.quantity IS DISTINCT FROM i.quantity OR c.lowest_ask IS DISTINCT FROM i.lowest_ask
    OR (i.currency <> 'USD' AND coalesce(i.changed_at > c.changed_at, i.changed_at IS NOT NULL))
    OR (c.url IS NULL AND i.url IS NOT NULL);
