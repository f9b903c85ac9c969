-- Delete the best asks that are worked out anew. In: stale_item, the variable stale_since. Out: store.best_ask_history.

DELETE FROM store.best_ask_history h USING stale_item i
WHERE h.item_key = i.item_key AND h.currency = i.currency AND h.valid_to >= i.since
    AND h.valid_to >= getvariable('stale_since');
