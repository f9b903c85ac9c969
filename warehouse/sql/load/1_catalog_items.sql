-- The catalog's items are known from now on, quoted or not. In: catalog_items. Out: more of seen_item.

INSERT INTO seen_item
SELECT c.item_id, c.phase, c.market_hash_name, true FROM catalog_items c
ANTI JOIN seen_item s ON s.told AND s.item_id = c.item_id AND s.phase IS NOT DISTINCT FROM c.phase
WHERE c.item_id IS NOT NULL;
