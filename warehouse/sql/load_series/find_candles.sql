-- Find the candles that are new, or newer than the stored ones: the last candle of an observation may still be open.
-- In: staged_row, name_key, store.candle. Out: newer_candle (`changed`: new, or of other values than the stored one).

CREATE OR REPLACE TEMP TABLE newer_candle AS
WITH keyed AS (
    SELECT n.item_key, r.currency, r."interval", r.time, r.observed_at,
        struct_pack(r.open, r.high, r.low, r.close, r.volume, r.quantity,
            r.open_provider, r.high_provider, r.low_provider, r.close_provider) AS candle
    FROM staged_row r
    JOIN name_key n ON n.item_id = r.item_id AND n.phase = coalesce(r.phase, '')
        AND n.market_hash_name = r.market_hash_name
), latest AS (
    FROM keyed QUALIFY row_number() OVER (
        PARTITION BY item_key, currency, "interval", time ORDER BY observed_at DESC, candle DESC
    ) = 1
), stored AS (
    -- An older version stored times of observation that lay ahead of the clock of this machine.
    SELECT item_key, currency, "interval", time,
        least(observed_at, loaded_at + INTERVAL 5 MINUTE) AS observed_at,
        struct_pack(open, high, low, close, volume, quantity,
            open_provider, high_provider, low_provider, close_provider) AS candle
    FROM store.candle JOIN store.run USING (run_key)
)
SELECT l.*, s.candle IS DISTINCT FROM l.candle AS changed
FROM latest l
LEFT JOIN stored s ON s.item_key = l.item_key AND s.currency = l.currency AND s."interval" = l."interval"
    AND s.time = l.time
WHERE s.item_key IS NULL OR l.observed_at > s.observed_at
    OR (l.observed_at = s.observed_at AND l.candle > s.candle);
