-- Collect the items and providers that the rows name, or that the shards only requested.
-- In: landed_name, shard_item, shard_provider, accepted. Out: named_item (`is_current`: the source itself uses the name,
-- the last time at `named_at`), named_provider.

CREATE OR REPLACE TEMP TABLE named_item AS
SELECT item_id, phase, market_hash_name, true AS is_current, observed_at AS named_at FROM landed_name WHERE item_id IS NOT NULL
UNION ALL
SELECT DISTINCT item_id, phase, market_hash_name, false, NULL FROM shard_item WHERE item_id IS NOT NULL;

CREATE OR REPLACE TEMP TABLE named_provider AS
SELECT provider FROM shard_provider
UNION SELECT provider FROM landed_name WHERE item_id IS NULL
UNION SELECT provider FROM accepted;
