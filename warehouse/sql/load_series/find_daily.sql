-- Find the daily points that are new, or newer than the stored ones: the point of a day that was not over may have changed.
-- In: staged_row, name_key, store.daily_point. Out: newer_daily_point (`changed`: new, or of other values than the stored one).

CREATE OR REPLACE TEMP TABLE newer_daily_point AS
WITH keyed AS (
    SELECT n.item_key, p.provider_key, r.currency, (r.time AT TIME ZONE 'UTC')::DATE AS day, r.amount, r.quantity,
        r.observed_at, struct_pack(r.observed_at, r.amount, r.quantity) AS rank
    FROM staged_row r
    JOIN name_key n ON n.item_id = r.item_id AND n.phase = coalesce(r.phase, '')
        AND n.market_hash_name = r.market_hash_name
    JOIN store.provider p ON p.source = getvariable('source') AND p.provider = r.provider
), latest AS (
    FROM keyed QUALIFY row_number() OVER (
        PARTITION BY item_key, provider_key, currency, day ORDER BY rank DESC NULLS LAST
    ) = 1
)
SELECT l.* EXCLUDE (rank), s.amount IS DISTINCT FROM l.amount OR s.quantity IS DISTINCT FROM l.quantity AS changed
FROM latest l
LEFT JOIN store.daily_point s ON s.item_key = l.item_key AND s.provider_key = l.provider_key AND s.currency = l.currency
    AND s.day = l.day
WHERE s.item_key IS NULL OR l.rank > struct_pack(s.observed_at, s.amount, s.quantity);
