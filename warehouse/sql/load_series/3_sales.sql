-- The sales enter, and the seams of their walks. In: more_sale, new_seam.

DELETE FROM store.sold h USING more_sale n
WHERE NOT n.fresh AND h.item_key = n.item_key AND h.provider_key = n.provider_key AND h.currency = n.currency
    AND h.time = n.time AND h.amount = n.amount AND h.occurrence = n.occurrence
    AND h.float_value IS NOT DISTINCT FROM n.float_value AND h.paint_seed IS NOT DISTINCT FROM n.paint_seed
    AND h.stickers IS NOT DISTINCT FROM n.stickers AND h.charms IS NOT DISTINCT FROM n.charms
    AND h.inspect IS NOT DISTINCT FROM n.inspect;

INSERT INTO store.sold BY NAME
SELECT * EXCLUDE (fresh), getvariable('run_key') AS run_key FROM more_sale ORDER BY item_key, provider_key, time;

INSERT INTO store.sold_seam SELECT * EXCLUDE (part) FROM new_seam;
