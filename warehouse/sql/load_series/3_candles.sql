-- The candles enter. In: newer_candle.

DELETE FROM store.candle h USING newer_candle n
WHERE h.item_key = n.item_key AND h.currency = n.currency AND h."interval" = n."interval" AND h.time = n.time;

INSERT INTO store.candle BY NAME
SELECT item_key, currency, "interval", time, unnest(says), observed_at, getvariable('run_key') AS run_key
FROM newer_candle ORDER BY item_key, currency, "interval", time;
