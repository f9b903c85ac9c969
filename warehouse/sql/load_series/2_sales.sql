-- Sales that the store holds fewer of than a walk brought, or holds from a later look. In: brought, part, name_key.
-- Out: more_sale (one row an occurrence; `fresh`: the store has it not) and new_seam.

CREATE OR REPLACE TEMP TABLE walked_sale AS
SELECT b.part, struct_pack(n.item_key, p.provider_key, b.currency, b.time, amount := b.price, b.float_value,
        b.paint_seed, b.stickers, b.charms, b.inspect) AS sale,
    count(*) AS copies, min(b.observed_at) AS observed_at
FROM brought b
JOIN name_key n ON n.item_id = b.item_id AND n.phase = coalesce(b.phase, '')
    AND n.market_hash_name = b.market_hash_name
JOIN store.provider p ON p.source = getvariable('source') AND p.provider = b.provider
GROUP BY ALL;

-- a walk that another landing goes on with: what lies at the newer and at the older side of the cursor between them
CREATE OR REPLACE TEMP TABLE new_seam AS
WITH reach AS (
    SELECT part, min(sale.time) AS oldest, max(sale.time) AS newest FROM walked_sale GROUP BY part
)
SELECT p.backfill_id, p.shard, p.next_cursor AS "cursor", true AS newer, w.part, w.sale, w.copies
FROM walked_sale w JOIN part p USING (part) JOIN reach r USING (part)
WHERE p.next_cursor IS NOT NULL AND w.sale.time = r.oldest
UNION ALL
SELECT p.backfill_id, p.shard, p."cursor", false, w.part, w.sale, w.copies
FROM walked_sale w JOIN part p USING (part) JOIN reach r USING (part)
WHERE p."cursor" IS NOT NULL AND w.sale.time = r.newest;

CREATE OR REPLACE TEMP TABLE more_sale AS
WITH beyond AS (
    SELECT m.part, m.sale, sum(s.copies) AS copies
    FROM new_seam m
    JOIN store.sold_seam s ON s.backfill_id = m.backfill_id AND s.shard = m.shard AND s."cursor" = m."cursor"
        AND s.newer <> m.newer AND s.sale = m.sale
    GROUP BY ALL
), counted AS (
    SELECT w.sale, max(w.copies + coalesce(b.copies, 0)) AS copies, min(w.observed_at) AS observed_at
    FROM walked_sale w LEFT JOIN beyond b ON b.part = w.part AND b.sale = w.sale
    GROUP BY w.sale
), told AS (
    SELECT unnest(sale), observed_at, unnest(range(1, copies::BIGINT + 1))::INTEGER AS occurrence FROM counted
)
SELECT t.*, h.item_key IS NULL AS fresh
FROM told t
LEFT JOIN store.sold h ON h.item_key = t.item_key AND h.provider_key = t.provider_key AND h.currency = t.currency
    AND h.time = t.time AND h.amount = t.amount AND h.occurrence = t.occurrence
    AND h.float_value IS NOT DISTINCT FROM t.float_value AND h.paint_seed IS NOT DISTINCT FROM t.paint_seed
    AND h.stickers IS NOT DISTINCT FROM t.stickers AND h.charms IS NOT DISTINCT FROM t.charms
    AND h.inspect IS NOT DISTINCT FROM t.inspect
WHERE h.item_key IS NULL OR t.observed_at < h.observed_at;
