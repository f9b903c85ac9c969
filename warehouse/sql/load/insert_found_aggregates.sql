-- Mark the items that turned out to be aggregates of phases. In: found_aggregate, all known_items.
-- Out: store.catalog_aggregate, store.stale_filling, store.item.

-- Catalogs may have returned it while no phase was known: they cover it like those that will.
INSERT INTO store.catalog_aggregate
SELECT n.scope_key, n.item_key::BIGINT << 20 | n.book_key AS quote_key, min(o.observed_to) AS since
FROM (SELECT run_key, scope_key, book_key, unnest(item_keys) AS item_key FROM known_items) n
SEMI JOIN found_aggregate USING (item_key)
JOIN store.scope s ON s.scope_key = n.scope_key AND s.selection = 'catalog'
JOIN store.book b ON b.book_key = n.book_key
JOIN store.observation o ON o.run_key = n.run_key AND o.scope_key = n.scope_key AND o.provider_key = b.provider_key
WHERE o.complete
GROUP BY ALL;

INSERT INTO store.stale_filling FROM found_aggregate;

UPDATE store.item SET aggregate = true WHERE item_key IN (FROM found_aggregate);
