-- Who is named: `told` by the rows, or only asked for. In: named, shard_item, shard_provider. Out: seen_item, seen_provider.

CREATE OR REPLACE TEMP TABLE seen_item AS
SELECT item_id, phase, market_hash_name, true AS told FROM named WHERE item_id IS NOT NULL
UNION ALL
SELECT DISTINCT item_id, phase, market_hash_name, false FROM shard_item WHERE item_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE seen_provider AS
SELECT provider FROM shard_provider UNION SELECT provider FROM named WHERE item_id IS NULL;
