-- What stands in the way of taking absence for vanishing. In: reject, down_key. Out: reject_key, down_provider.

-- whom the broken rows are about, by id or by name; null: they no longer say so, and it may be anyone.
-- A row that tells both, and neither is known, is about an item that cannot vanish yet.
CREATE OR REPLACE TEMP TABLE reject_key AS
WITH meant AS (
    SELECT r.reject_id, i.item_key FROM reject r
    JOIN store.item i ON i.source = getvariable('source') AND i.item_id = r.item_id
    UNION
    SELECT r.reject_id, i.item_key FROM reject r
    JOIN store.item i ON i.source = getvariable('source') AND i.market_hash_name = r.market_hash_name
)
SELECT DISTINCT r.shard, m.item_key, p.provider_key
FROM reject r
LEFT JOIN meant m USING (reject_id)
LEFT JOIN store.provider p ON p.source = getvariable('source') AND p.provider = r.provider
WHERE m.item_key IS NOT NULL OR r.item_id IS NULL OR r.market_hash_name IS NULL;

CREATE OR REPLACE TEMP TABLE down_provider AS
SELECT p.provider_key FROM down_key d
JOIN store.provider p ON p.source = getvariable('source') AND p.provider = d.provider;

CREATE OR REPLACE TEMP TABLE late AS FROM incoming LIMIT 0;
