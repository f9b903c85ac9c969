-- Find the points that are new, or newer than the stored ones. In: staged_row, name_key, store.point. Out: newer_point
-- (`changed`: new, or of other values than the stored one).

CREATE OR REPLACE TEMP TABLE newer_point AS
WITH keyed AS (
    SELECT n.item_key, p.provider_key, r.currency, r.time, r.lowest_ask, r.quantity, r.observed_at,
        struct_pack(r.observed_at, r.lowest_ask, r.quantity) AS rank
    FROM staged_row r
    JOIN name_key n ON n.item_id = r.item_id AND n.phase = coalesce(r.phase, '')
        AND n.market_hash_name = r.market_hash_name
    JOIN store.provider p ON p.source = getvariable('source') AND p.provider = r.provider
), latest AS (
    FROM keyed QUALIFY row_number() OVER (
        PARTITION BY item_key, provider_key, currency, time ORDER BY rank DESC NULLS LAST
    ) = 1
)
SELECT l.* EXCLUDE (rank), s.lowest_ask IS DISTINCT FROM l.lowest_ask OR s.quantity IS DISTINCT FROM l.quantity AS changed
FROM latest l
LEFT JOIN store.point s ON s.item_key = l.item_key AND s.provider_key = l.provider_key AND s.currency = l.currency
    AND s.time = l.time
LEFT JOIN store.run u ON u.run_key = s.run_key
-- An older version stored times of observation that lay ahead of the clock of this machine.
WHERE s.item_key IS NULL
    OR l.rank > struct_pack(
        observed_at := least(s.observed_at, u.loaded_at + INTERVAL 5 MINUTE), s.lowest_ask, s.quantity);
