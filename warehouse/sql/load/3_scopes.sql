-- What the shards asked for. In: shard, shard_item, shard_provider (temporary). Out: shard.scope_key is known
-- through `asked`: one row a shard and provider.

INSERT INTO store.scope
SELECT (SELECT coalesce(max(scope_key), 0) FROM store.scope) + row_number() OVER (), getvariable('source'), s.*
FROM (SELECT DISTINCT currency, delivery, selection FROM shard) s
ANTI JOIN store.scope o ON o.source = getvariable('source') AND o.currency = s.currency
    AND o.delivery = s.delivery AND o.selection = s.selection;

CREATE OR REPLACE TEMP TABLE asked AS
SELECT s.shard, o.scope_key, p.provider_key, s.currency, s.delivery, s.selection, s.complete, s.reason,
    s.observed_from, s.observed_to
FROM shard s
JOIN store.scope o ON o.source = getvariable('source') AND o.currency = s.currency
    AND o.delivery = s.delivery AND o.selection = s.selection
JOIN shard_provider sp USING (shard)
JOIN store.provider p ON p.source = getvariable('source') AND p.provider = sp.provider;

INSERT INTO store.scope_item
SELECT DISTINCT a.scope_key, i.item_key
FROM (SELECT DISTINCT shard, scope_key FROM asked) a
JOIN shard_item m USING (shard)
JOIN store.item i ON i.source = getvariable('source') AND i.phase IS NOT DISTINCT FROM m.phase
    AND i.item_id = coalesce(m.item_id, i.item_id) AND i.market_hash_name = m.market_hash_name
ANTI JOIN store.scope_item k ON k.scope_key = a.scope_key AND k.item_key = i.item_key;
