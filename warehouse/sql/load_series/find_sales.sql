-- Find the sales that the store has fewer copies of than an extraction, or has from a later observation.
-- In: staged_row, part, name_key, store.sold, store.sold_seam.
-- Out: new_sale, one row per occurrence (`changed`: the store lacks this occurrence); new_seam.

CREATE OR REPLACE TEMP TABLE counted_sale AS
SELECT r.part, struct_pack(n.item_key, p.provider_key, r.currency, r.time, amount := r.price, r.float_value,
        r.paint_seed, r.stickers, r.charms, r.inspect) AS sale,
    count(*) AS copies, min(r.observed_at) AS observed_at
FROM staged_row r
JOIN name_key n ON n.item_id = r.item_id AND n.phase = coalesce(r.phase, '')
    AND n.market_hash_name = r.market_hash_name
JOIN store.provider p ON p.source = getvariable('source') AND p.provider = r.provider
GROUP BY ALL;

-- The sales next to a cursor at which an extraction continues in another landing, on the newer or the older side.
CREATE OR REPLACE TEMP TABLE new_seam AS
WITH part_range AS (
    SELECT part, min(sale.time) AS oldest, max(sale.time) AS newest FROM counted_sale GROUP BY part
)
SELECT p.backfill_id, p.shard, p.next_cursor AS "cursor", true AS newer, c.part, c.sale, c.copies
FROM counted_sale c JOIN part p USING (part) JOIN part_range r USING (part)
WHERE p.next_cursor IS NOT NULL AND c.sale.time = r.oldest
UNION ALL
SELECT p.backfill_id, p.shard, p."cursor", false, c.part, c.sale, c.copies
FROM counted_sale c JOIN part p USING (part) JOIN part_range r USING (part)
WHERE p."cursor" IS NOT NULL AND c.sale.time = r.newest;

CREATE OR REPLACE TEMP TABLE new_sale AS
WITH adjacent AS (
    SELECT n.part, n.sale, sum(s.copies) AS copies
    FROM new_seam n
    JOIN store.sold_seam s ON s.backfill_id = n.backfill_id AND s.shard = n.shard AND s."cursor" = n."cursor"
        AND s.newer <> n.newer AND s.sale = n.sale
    GROUP BY ALL
), total AS (
    SELECT c.sale, max(c.copies + coalesce(a.copies, 0)) AS copies, min(c.observed_at) AS observed_at
    FROM counted_sale c LEFT JOIN adjacent a ON a.part = c.part AND a.sale = c.sale
    GROUP BY c.sale
), numbered AS (
    SELECT unnest(sale), observed_at, unnest(range(1, copies::BIGINT + 1))::INTEGER AS occurrence FROM total
)
SELECT n.*, s.item_key IS NULL AS changed
FROM numbered n
LEFT JOIN store.sold s ON s.item_key = n.item_key AND s.provider_key = n.provider_key AND s.currency = n.currency
    AND s.time = n.time AND s.amount = n.amount AND s.occurrence = n.occurrence
    AND s.float_value IS NOT DISTINCT FROM n.float_value AND s.paint_seed IS NOT DISTINCT FROM n.paint_seed
    AND s.stickers IS NOT DISTINCT FROM n.stickers AND s.charms IS NOT DISTINCT FROM n.charms
    AND s.inspect IS NOT DISTINCT FROM n.inspect
WHERE s.item_key IS NULL OR n.observed_at < s.observed_at;
