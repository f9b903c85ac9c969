-- What a catalog that was fetched on the way says of items. In: catalog_items.

UPDATE store.item i SET item_type = c.item_type, item_subtype = c.item_subtype, weapon_type = c.weapon_type,
    skin_name = c.skin_name, wear_name = c.wear_name, collection = c.collection, rarity_name = c.rarity_name,
    is_stattrak = c.is_stattrak, is_souvenir = c.is_souvenir
FROM catalog_items c
WHERE i.source = getvariable('source') AND i.item_id = c.item_id AND i.phase IS NOT DISTINCT FROM c.phase;
