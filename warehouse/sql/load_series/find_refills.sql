-- Add the quotes whose coverage changed. In: refill, store. Out: refill. Empties store.stale_filling.

INSERT INTO refill
SELECT DISTINCT item_key, provider_key FROM store.point WHERE item_key IN (FROM store.stale_filling)
EXCEPT FROM refill;

DELETE FROM store.stale_filling;
