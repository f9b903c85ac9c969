-- Views to monitor the collection.

CREATE OR REPLACE VIEW stale_quotes AS
SELECT item, source, provider, item_id, market_hash_name, phase, currency, delivery, lowest_ask, price, quantity,
    changed_at, last_updated, observed_at, run_id, url, aggregate, fresh_until
FROM store.dated_quote JOIN (SELECT run_key, run_id FROM store.run) USING (run_key)
WHERE NOT fresh AND delivery <> 'bid';

CREATE OR REPLACE VIEW coverage AS
SELECT source, provider, currency, delivery, count(*) AS listed, count(*) FILTER (fresh) AS fresh,
    total.items, count(*) / total.items AS share, max(observed_at) AS observed_at
FROM store.dated_quote
JOIN (SELECT source, count(*) AS items FROM store.item WHERE NOT aggregate GROUP BY source) total USING (source)
WHERE NOT aggregate
GROUP BY source, provider, currency, delivery, total.items;
