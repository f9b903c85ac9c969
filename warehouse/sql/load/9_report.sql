-- Prices ten times off their last value: kept, and shown.

SELECT i.market_hash_name, i.phase, p.provider, m.currency, m.was_price AS was, m.price
FROM moved m
JOIN store.item i USING (item_key)
JOIN store.provider p USING (provider_key)
WHERE m.changed AND m.was_price > 0 AND (m.price >= 10 * m.was_price OR 10 * m.price <= m.was_price)
ORDER BY greatest(m.price / m.was_price, m.was_price / nullif(m.price, 0)) DESC NULLS FIRST
LIMIT 20;
