-- Replace the stored daily points by the newer ones, ordered by item so that few row groups hold the points of one item.
-- In: newer_daily_point. Out: store.daily_point.

DELETE FROM store.daily_point s USING newer_daily_point n
WHERE s.item_key = n.item_key AND s.provider_key = n.provider_key AND s.currency = n.currency AND s.day = n.day;

INSERT INTO store.daily_point BY NAME
SELECT * EXCLUDE (changed), getvariable('run_key') AS run_key FROM newer_daily_point
ORDER BY item_key, provider_key, currency, day;
