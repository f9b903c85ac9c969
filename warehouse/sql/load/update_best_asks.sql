-- Write the best asks that were worked out anew. In: stale_item, new_best. Out: store.best_ask_history,
-- store.best_ask_current, store.stale_best_ask without these items.

DELETE FROM store.best_ask_current c USING stale_item i WHERE c.item_key = i.item_key AND c.currency = i.currency;

INSERT INTO store.best_ask_history BY NAME
FROM new_best WHERE item_key IS NOT NULL AND valid_to IS NOT NULL ORDER BY item_key, currency, valid_from;

INSERT INTO store.best_ask_current BY NAME
SELECT * EXCLUDE (valid_to) FROM new_best WHERE item_key IS NOT NULL AND valid_to IS NULL
ORDER BY item_key, currency;

DELETE FROM store.stale_best_ask
WHERE since >= getvariable('readable_from') AND item_key IN (SELECT item_key FROM stale_item);
