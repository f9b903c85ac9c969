-- The points enter, together by item so that few row groups hold one item's. In: newer_point.

DELETE FROM store.point h USING newer_point n
WHERE h.item_key = n.item_key AND h.provider_key = n.provider_key AND h.currency = n.currency AND h.time = n.time;

INSERT INTO store.point
SELECT item_key, provider_key, currency, time, lowest_ask, quantity, observed_at, getvariable('run_key')
FROM newer_point ORDER BY item_key, provider_key, currency, time;
