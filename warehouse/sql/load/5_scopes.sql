-- What the shards asked for, and what came of it. In: shard, shard_item, shard_provider, arrived, page. Out: listed, one
-- row a shard and book; asked, one row a shard and provider. A shard that names no provider asked for all; one that
-- comes unasked is seen, but never completely.

CREATE OR REPLACE TEMP TABLE listed AS
SELECT p.shard, b.provider_key, b.delivery, sum(a.rows)::BIGINT AS rows, max(a.newest) AS newest
FROM (
    SELECT quote_key & 1048575 AS book_key, page, count(*) AS rows, max(last_updated) AS newest FROM arrived GROUP BY ALL
) a
JOIN page p USING (page)
JOIN store.book b USING (book_key)
GROUP BY ALL;

INSERT INTO store.scope
SELECT (SELECT coalesce(max(scope_key), 0) FROM store.scope) + row_number() OVER (), getvariable('source'), s.*
FROM (SELECT DISTINCT currency, delivery, selection FROM shard) s
ANTI JOIN store.scope o ON o.source = getvariable('source') AND o.currency = s.currency
    AND o.delivery = s.delivery AND o.selection = s.selection;

CREATE OR REPLACE TEMP TABLE asked AS
SELECT s.shard, o.scope_key, p.provider_key, s.currency, s.delivery, s.selection, s.complete AND p.named AS complete,
    CASE WHEN p.named THEN s.reason ELSE coalesce(s.reason, 'not asked for') END AS reason,
    s.observed_from, s.observed_to
FROM shard s
JOIN store.scope o ON o.source = getvariable('source') AND o.currency = s.currency
    AND o.delivery = s.delivery AND o.selection = s.selection
JOIN (
    SELECT shard, provider_key,
        bool_or(named) OR shard NOT IN (SELECT shard FROM shard_provider) AS named
    FROM (
        SELECT sp.shard, p.provider_key, true AS named
        FROM shard_provider sp
        JOIN store.provider p ON p.source = getvariable('source') AND p.provider = sp.provider
        UNION ALL
        SELECT shard, provider_key, false FROM listed
    )
    GROUP BY shard, provider_key
) p USING (shard);

INSERT INTO store.scope_item
SELECT DISTINCT a.scope_key, i.item_key
FROM (SELECT DISTINCT shard, scope_key FROM asked) a
JOIN shard_item m USING (shard)
JOIN store.item i ON i.source = getvariable('source') AND i.phase IS NOT DISTINCT FROM m.phase
    AND i.base_name = base_name(m.market_hash_name)
    AND CASE WHEN m.item_id IS NULL THEN i.market_hash_name = m.market_hash_name ELSE i.item_id = m.item_id END
ANTI JOIN store.scope_item k ON k.scope_key = a.scope_key AND k.item_key = i.item_key;
