-- Find the items of which this run may have changed the best ask: the best ask itself changed, or another one is not
-- above it, or the best ask is of a later time. In: updated_quote, closure, store. Out: store.stale_best_ask.

INSERT INTO store.stale_best_ask
SELECT n.item_key, n.currency, min(n.valid_from)
FROM (
    SELECT item_key, provider_key, currency, delivery, valid_from,
        CASE WHEN quantity IS DISTINCT FROM 0 AND (lowest_ask > 0 OR price > 0) THEN price END AS price
    FROM updated_quote WHERE changed AND delivery <> 'bid'
    UNION ALL
    SELECT item_key, provider_key, currency, delivery, valid_from, NULL FROM closure WHERE delivery <> 'bid'
) n
JOIN store.item_group g ON g.item_key = n.item_key AND g.is_one
LEFT JOIN (
    SELECT g.group_key, b.*, store.price_by(b.other_price, b.lowest_ask) AS price
    FROM store.best_ask_current b JOIN store.item_group g USING (item_key)
) b ON b.group_key = g.group_key AND b.currency = n.currency
WHERE b.group_key IS NULL OR n.valid_from <= b.valid_from OR n.price <= b.price
    OR (b.item_key = n.item_key AND b.provider_key = n.provider_key AND b.delivery = n.delivery)
GROUP BY n.item_key, n.currency;
