-- Give a key to every new item and provider. In: named_item, named_provider, known_items from the first named_at on.
-- Out: store.item, store.provider, name_key (the names of this run), contract_change (the ids whose phase or base name
-- differs from what the store knows), found_aggregate (the items without a phase whose name has phases now).

-- The name that the source uses now takes precedence over a requested one.
CREATE OR REPLACE TEMP TABLE distinct_item AS
SELECT item_id, phase, store.base_name(market_hash_name) AS base_name, bool_or(is_current) AS is_current,
    coalesce(max_by(market_hash_name, named_at) FILTER (is_current), max(market_hash_name)) AS market_hash_name,
    max(named_at) AS named_at
FROM named_item GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE new_item AS
SELECT d.* FROM distinct_item d
ANTI JOIN store.item i ON i.source = getvariable('source') AND i.item_id = d.item_id
    AND i.phase IS NOT DISTINCT FROM d.phase AND i.base_name = d.base_name;

-- One id may serve several phases at once: only an id whose known phase or base name is no longer in use has changed.
INSERT INTO contract_change
SELECT n.item_id, i.market_hash_name AS was_name, i.phase AS was_phase, n.market_hash_name, n.phase
FROM new_item n JOIN store.item i ON i.source = getvariable('source') AND i.item_id = n.item_id
ANTI JOIN distinct_item d ON d.is_current AND d.item_id = i.item_id AND d.phase IS NOT DISTINCT FROM i.phase
    AND d.base_name = i.base_name
WHERE n.is_current;

INSERT INTO store.item (item_key, source, item_id, phase, base_name, market_hash_name, aggregate, named_at)
SELECT (SELECT coalesce(max(item_key), 0) FROM store.item)
        -- Neighbours on a page of the API get neighbouring keys: store.observed_items takes a third of the space.
        + row_number() OVER (ORDER BY TRY_CAST(item_id AS BIGINT), item_id, phase, base_name),
    getvariable('source'), item_id, phase, base_name, market_hash_name, false, named_at
FROM new_item;

-- A finish was renamed: the item keeps its key. The name that was observed last stays; a replay has rows of old pages.
UPDATE store.item i SET market_hash_name = d.market_hash_name, named_at = d.named_at
FROM distinct_item d
WHERE d.is_current AND i.source = getvariable('source') AND i.item_id = d.item_id
    AND i.phase IS NOT DISTINCT FROM d.phase AND i.base_name = d.base_name AND i.market_hash_name <> d.market_hash_name
    AND coalesce(greatest(i.named_at, i.catalog_at) <= d.named_at, true)
    AND NOT EXISTS (FROM known_items n
        WHERE n.observed_at > d.named_at AND list_contains(n.item_keys, i.item_key));

CREATE OR REPLACE TEMP TABLE found_aggregate AS
SELECT item_key FROM store.item
WHERE NOT aggregate AND phase IS NULL AND (source, market_hash_name) IN (
    SELECT (source, market_hash_name) FROM store.item WHERE phase IS NOT NULL
);

INSERT INTO store.provider (provider_key, source, provider)
SELECT (SELECT coalesce(max(provider_key), 0) FROM store.provider) + row_number() OVER (),
    getvariable('source'), n.provider
FROM named_provider n
ANTI JOIN store.provider p ON p.source = getvariable('source') AND p.provider = n.provider;

CREATE OR REPLACE TEMP TABLE found_name AS
SELECT DISTINCT n.item_id, TRY_CAST(n.item_id AS BIGINT) AS number, coalesce(n.phase, '') AS phase, n.market_hash_name,
    i.item_key
FROM named_item n
JOIN store.item i ON i.source = getvariable('source') AND i.item_id = n.item_id
    AND i.phase IS NOT DISTINCT FROM n.phase AND i.base_name = store.base_name(n.market_hash_name);

CREATE OR REPLACE TEMP VIEW name_key AS FROM found_name;
