-- Group the items of all sources by name and phase; see store.item_group. A name that changed, or the first phase of a
-- name, changes the past, too. In: store.item. Out: store.item_group, store.stale_best_ask.

CREATE OR REPLACE TEMP TABLE grouped_item AS
SELECT item_key, min(item_key) OVER (PARTITION BY market_hash_name, phase) AS group_key,
    phase IS NOT NULL OR NOT bool_or(phase IS NOT NULL) OVER (PARTITION BY market_hash_name) AS is_one
FROM store.item;

CREATE OR REPLACE TEMP TABLE regrouped_item AS
SELECT n.*, w.group_key AS was_key
FROM grouped_item n LEFT JOIN store.item_group w USING (item_key)
WHERE w.item_key IS NULL OR (n.group_key, n.is_one) <> (w.group_key, w.is_one);

-- A new item has no quotes yet: it changes nothing.
INSERT INTO store.stale_best_ask
SELECT DISTINCT unnest([n.item_key, w.item_key]), NULL, '-infinity'::TIMESTAMPTZ
FROM regrouped_item r
JOIN grouped_item n ON n.group_key = r.group_key
JOIN store.item_group w ON w.group_key = r.was_key;

DELETE FROM store.item_group WHERE item_key IN (SELECT item_key FROM regrouped_item);

INSERT INTO store.item_group SELECT item_key, group_key, is_one FROM regrouped_item;
