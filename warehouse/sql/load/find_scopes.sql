-- Work out what the shards requested and observed. A shard that names no provider requested all of them. A provider
-- that was not requested is observed, but never completely. `decides`: whether a provider is observed completely depends
-- on the shards that requested it, whatever other shards returned of it.
-- In: shard, shard_item, shard_provider, staged_row, page. Out: observed_book, one row per shard and book;
-- shard_observation, one row per shard, delivery and provider; store.scope, store.scope_name, store.scope_item,
-- store.stale_filling.

CREATE OR REPLACE TEMP TABLE observed_book AS
SELECT p.shard, b.provider_key, b.delivery, sum(r.rows)::BIGINT AS rows, max(r.newest) AS newest
FROM (
    SELECT quote_key & 1048575 AS book_key, page, count(*) AS rows, max(last_updated) AS newest FROM staged_row GROUP BY ALL
) r
JOIN page p USING (page)
JOIN store.book b USING (book_key)
GROUP BY ALL;

INSERT INTO store.scope
SELECT (SELECT coalesce(max(scope_key), 0) FROM store.scope) + row_number() OVER (), getvariable('source'), s.*
FROM (SELECT DISTINCT currency, delivery, selection FROM shard) s
ANTI JOIN store.scope o ON o.source = getvariable('source') AND o.currency = s.currency
    AND o.delivery = s.delivery AND o.selection = s.selection;

CREATE OR REPLACE TEMP TABLE shard_observation AS
SELECT s.shard, o.scope_key, p.provider_key, s.currency, s.delivery, s.selection, s.complete AND p.requested AS complete,
    CASE WHEN p.requested THEN s.reason ELSE coalesce(s.reason, 'not asked for') END AS reason,
    s.observed_from, s.observed_to,
    p.requested OR NOT bool_or(p.requested) OVER (PARTITION BY o.scope_key, p.provider_key) AS decides
FROM shard s
JOIN store.scope o ON o.source = getvariable('source') AND o.currency = s.currency
    AND o.delivery = s.delivery AND o.selection = s.selection
JOIN (
    SELECT shard, provider_key,
        bool_or(requested) OR shard NOT IN (SELECT shard FROM shard_provider) AS requested
    FROM (
        SELECT sp.shard, p.provider_key, true AS requested
        FROM shard_provider sp
        JOIN store.provider p ON p.source = getvariable('source') AND p.provider = sp.provider
        UNION ALL
        SELECT shard, provider_key, false FROM observed_book
    )
    GROUP BY shard, provider_key
) p USING (shard);

INSERT INTO store.scope_name
SELECT DISTINCT o.scope_key, m.market_hash_name, m.phase
FROM shard_observation o JOIN shard_item m USING (shard)
WHERE m.item_id IS NULL
EXCEPT FROM store.scope_name;

-- A request by id covers whatever the id names, also after the item of the id was replaced by another one.
CREATE OR REPLACE TEMP TABLE new_scope_item AS
WITH requested AS (
    SELECT o.scope_key, i.item_key
    FROM (SELECT DISTINCT shard, scope_key FROM shard_observation) o
    JOIN shard_item m USING (shard)
    JOIN store.item i ON i.source = getvariable('source') AND i.item_id = m.item_id
    UNION
    SELECT n.scope_key, i.item_key
    FROM store.scope_name n
    JOIN store.scope s USING (scope_key)
    JOIN store.item i ON i.source = s.source AND i.market_hash_name = n.market_hash_name
        AND i.phase IS NOT DISTINCT FROM n.phase
    WHERE s.source = getvariable('source')
    UNION
    FROM store.scope_item
)
SELECT s.scope_key, n.item_key
FROM requested s
JOIN store.item i USING (item_key)
JOIN store.item n ON n.source = i.source AND n.item_id = i.item_id
WHERE i.source = getvariable('source')
EXCEPT FROM store.scope_item;

INSERT INTO store.scope_item FROM new_scope_item;

INSERT INTO store.stale_filling SELECT DISTINCT item_key FROM new_scope_item;
