-- Replace the stored points by the newer ones, ordered by item so that few row groups hold the points of one item.
-- In: newer_point. Out: store.point; refill.

DELETE FROM store.point s USING newer_point n
WHERE s.item_key = n.item_key AND s.provider_key = n.provider_key AND s.currency = n.currency AND s.time = n.time;

INSERT INTO store.point
SELECT item_key, provider_key, currency, time, lowest_ask, quantity, observed_at, getvariable('run_key')
FROM newer_point ORDER BY item_key, provider_key, currency, time;

CREATE OR REPLACE TEMP TABLE refill AS
SELECT DISTINCT item_key, provider_key FROM newer_point WHERE changed;
