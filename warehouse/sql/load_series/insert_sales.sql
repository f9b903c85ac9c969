-- Insert the sales and the seams of their extractions; a sale from an earlier observation replaces the stored one.
-- In: new_sale, new_seam. Out: store.sold, store.sold_seam.

DELETE FROM store.sold s USING new_sale n
WHERE NOT n.changed AND s.item_key = n.item_key AND s.provider_key = n.provider_key AND s.currency = n.currency
    AND s.time = n.time AND s.amount = n.amount AND s.occurrence = n.occurrence
    AND s.float_value IS NOT DISTINCT FROM n.float_value AND s.paint_seed IS NOT DISTINCT FROM n.paint_seed
    AND s.stickers IS NOT DISTINCT FROM n.stickers AND s.charms IS NOT DISTINCT FROM n.charms
    AND s.inspect IS NOT DISTINCT FROM n.inspect;

INSERT INTO store.sold BY NAME
SELECT * EXCLUDE (changed), getvariable('run_key') AS run_key FROM new_sale ORDER BY item_key, provider_key, time;

INSERT INTO store.sold_seam SELECT * EXCLUDE (part) FROM new_seam;
