-- Dimensions: items and providers that are new get a key. In: seen_item, seen_provider (temporary).
-- Out: name_key, and contract_change: the ids whose phase or base name is no longer what it was.

-- the name that the source tells counts before the one that was asked for
CREATE OR REPLACE TEMP TABLE seen AS
SELECT item_id, phase, base_name(market_hash_name) AS base_name, bool_or(told) AS told,
    coalesce(max(market_hash_name) FILTER (told), max(market_hash_name)) AS market_hash_name
FROM seen_item GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE new_item AS
SELECT s.* FROM seen s
ANTI JOIN store.item i ON i.source = getvariable('source') AND i.item_id = s.item_id
    AND i.phase IS NOT DISTINCT FROM s.phase AND i.base_name = s.base_name;

-- an id that stands for several phases at once is no change; one that is no longer told with what it was is
INSERT INTO contract_change
SELECT n.item_id, i.market_hash_name AS was_name, i.phase AS was_phase, n.market_hash_name, n.phase
FROM new_item n JOIN store.item i ON i.source = getvariable('source') AND i.item_id = n.item_id
ANTI JOIN seen s ON s.told AND s.item_id = i.item_id AND s.phase IS NOT DISTINCT FROM i.phase
    AND s.base_name = i.base_name
WHERE n.told;

INSERT INTO store.item (item_key, source, item_id, phase, base_name, market_hash_name, aggregate)
SELECT (SELECT coalesce(max(item_key), 0) FROM store.item) + row_number() OVER (),
    getvariable('source'), item_id, phase, base_name, market_hash_name, false
FROM new_item;

-- a finish was renamed: the item is the same one
UPDATE store.item i SET market_hash_name = s.market_hash_name
FROM seen s
WHERE s.told AND i.source = getvariable('source') AND i.item_id = s.item_id AND i.phase IS NOT DISTINCT FROM s.phase
    AND i.base_name = s.base_name AND i.market_hash_name <> s.market_hash_name;

UPDATE store.item SET aggregate = true
WHERE NOT aggregate AND phase IS NULL AND (source, market_hash_name) IN (
    SELECT (source, market_hash_name) FROM store.item WHERE phase IS NOT NULL
);

INSERT INTO store.provider (provider_key, source, provider)
SELECT (SELECT coalesce(max(provider_key), 0) FROM store.provider) + row_number() OVER (),
    getvariable('source'), s.provider
FROM seen_provider s
ANTI JOIN store.provider p ON p.source = getvariable('source') AND p.provider = s.provider;

CREATE OR REPLACE TEMP TABLE name_key AS
SELECT DISTINCT s.item_id, TRY_CAST(s.item_id AS BIGINT) AS number, coalesce(s.phase, '') AS phase, s.market_hash_name, i.item_key
FROM seen_item s
JOIN store.item i ON i.source = getvariable('source') AND i.item_id = s.item_id
    AND i.phase IS NOT DISTINCT FROM s.phase AND i.base_name = base_name(s.market_hash_name);
