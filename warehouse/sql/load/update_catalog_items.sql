-- Update the attributes of items from a catalog that the run fetched, unless a newer one gave them. In: catalog_items.
-- Out: store.item; updated_item, the items whose attributes differ.

CREATE OR REPLACE TEMP TABLE updated_item AS
SELECT DISTINCT ON (i.item_key) i.* REPLACE (
    c.item_type AS item_type, c.item_subtype AS item_subtype, c.weapon_type AS weapon_type,
    c.skin_name AS skin_name, c.wear_name AS wear_name, c.collection AS collection, c.rarity_name AS rarity_name,
    c.is_stattrak AS is_stattrak, c.is_souvenir AS is_souvenir, getvariable('observed_to') AS catalog_at)
FROM store.item i
JOIN catalog_items c ON i.source = getvariable('source') AND i.item_id = c.item_id
    AND i.phase IS NOT DISTINCT FROM c.phase AND i.base_name = store.base_name(c.market_hash_name)
WHERE coalesce(i.catalog_at <= getvariable('observed_to'), true)
EXCEPT FROM store.item;

-- DELETE and INSERT, because an UPDATE of text columns takes DuckDB forty times as long.
DELETE FROM store.item WHERE item_key IN (SELECT item_key FROM updated_item);

INSERT INTO store.item FROM updated_item;
