-- Who is named: by the rows, and by what was asked. In: named, shard_item, shard_provider. Out: seen_item, seen_provider.

CREATE OR REPLACE TEMP TABLE seen_item AS
SELECT item_id, phase, market_hash_name FROM named WHERE shard IS NULL
UNION
SELECT item_id, phase, market_hash_name FROM shard_item WHERE item_id IS NOT NULL;

-- a provider that nobody asked for by name is observed as well
INSERT INTO shard_provider
SELECT shard, provider FROM named WHERE shard IS NOT NULL EXCEPT SELECT shard, provider FROM shard_provider;

CREATE OR REPLACE TEMP TABLE seen_provider AS SELECT DISTINCT provider FROM shard_provider;
