-- Replace the stored candles by the newer ones. In: newer_candle. Out: store.candle.

DELETE FROM store.candle s USING newer_candle n
WHERE s.item_key = n.item_key AND s.currency = n.currency AND s."interval" = n."interval" AND s.time = n.time;

INSERT INTO store.candle BY NAME
SELECT item_key, currency, "interval", time, unnest(candle), observed_at, getvariable('run_key') AS run_key
FROM newer_candle ORDER BY item_key, currency, "interval", time;
