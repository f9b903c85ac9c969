-- Find what no observation of this run can say: the quotes of rejected rows, and providers that the API reports down.
-- In: reject, reported_down, shard_observation. Out: reject_key, down_provider; complete_observation, a view of the others.

-- The items and providers that a reject may be about. Null: it may be about any. `providers` are the one that it names, if
-- its shard requested this one, else all that its shard requested.
-- A reject with an id and a name of which neither is known is about a new item, which cannot vanish yet.
CREATE OR REPLACE TEMP TABLE reject_key AS
SELECT DISTINCT r.shard, i.item_key, p.provider_key
FROM reject r
LEFT JOIN store.item i ON i.source = getvariable('source')
    AND (i.item_id = r.item_id OR i.market_hash_name = r.market_hash_name)
LEFT JOIN store.provider p ON p.source = getvariable('source') AND list_contains(r.providers, p.provider)
WHERE i.item_key IS NOT NULL OR r.item_id IS NULL OR r.market_hash_name IS NULL;

CREATE OR REPLACE TEMP TABLE down_provider AS
SELECT p.provider_key FROM reported_down d
JOIN store.provider p ON p.source = getvariable('source') AND p.provider = d.provider;

CREATE OR REPLACE TEMP VIEW complete_observation AS
SELECT * FROM shard_observation WHERE complete AND provider_key NOT IN (FROM down_provider);
