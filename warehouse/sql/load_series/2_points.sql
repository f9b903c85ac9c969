-- Points that the store does not hold, or holds from an earlier look. In: brought, name_key. Out: newer_point; `fresh`:
-- new, or not what the store says.

CREATE OR REPLACE TEMP TABLE newer_point AS
WITH keyed AS (
    SELECT n.item_key, p.provider_key, b.currency, b.time, b.lowest_ask, b.quantity, b.observed_at,
        struct_pack(b.observed_at, b.lowest_ask, b.quantity) AS rank
    FROM brought b
    JOIN name_key n ON n.item_id = b.item_id AND n.phase = coalesce(b.phase, '')
        AND n.market_hash_name = b.market_hash_name
    JOIN store.provider p ON p.source = getvariable('source') AND p.provider = b.provider
), once AS (
    FROM keyed QUALIFY row_number() OVER (
        PARTITION BY item_key, provider_key, currency, time ORDER BY rank DESC NULLS LAST
    ) = 1
)
SELECT o.* EXCLUDE (rank), h.lowest_ask IS DISTINCT FROM o.lowest_ask OR h.quantity IS DISTINCT FROM o.quantity AS fresh
FROM once o
LEFT JOIN store.point h ON h.item_key = o.item_key AND h.provider_key = o.provider_key AND h.currency = o.currency
    AND h.time = o.time
WHERE h.item_key IS NULL OR o.rank > struct_pack(h.observed_at, h.lowest_ask, h.quantity);
