-- Candles that the store does not hold, or holds from an earlier look (the last one was still open then).
-- In: brought, name_key. Out: newer_candle; `fresh`: new, or not what the store says.

CREATE OR REPLACE TEMP TABLE newer_candle AS
WITH keyed AS (
    SELECT n.item_key, b.currency, b."interval", b.time, b.observed_at,
        struct_pack(b.open, b.high, b.low, b.close, b.volume, b.quantity,
            b.open_provider, b.high_provider, b.low_provider, b.close_provider) AS says
    FROM brought b
    JOIN name_key n ON n.item_id = b.item_id AND n.phase = coalesce(b.phase, '')
        AND n.market_hash_name = b.market_hash_name
), once AS (
    FROM keyed QUALIFY row_number() OVER (
        PARTITION BY item_key, currency, "interval", time ORDER BY observed_at DESC, says DESC
    ) = 1
), held AS (
    SELECT item_key, currency, "interval", time, observed_at,
        struct_pack(open, high, low, close, volume, quantity,
            open_provider, high_provider, low_provider, close_provider) AS says
    FROM store.candle
)
SELECT o.*, h.says IS DISTINCT FROM o.says AS fresh
FROM once o
LEFT JOIN held h ON h.item_key = o.item_key AND h.currency = o.currency AND h."interval" = o."interval"
    AND h.time = o.time
WHERE h.item_key IS NULL OR o.observed_at > h.observed_at
    OR (o.observed_at = h.observed_at AND o.says > h.says);
