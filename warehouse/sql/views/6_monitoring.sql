-- Views to monitor the collection.

CREATE OR REPLACE VIEW stale_quotes AS
SELECT * EXCLUDE (quote_key, item_key, provider_key, valid_from, fresh) FROM store.dated_quote WHERE NOT fresh AND delivery <> 'bid';

CREATE OR REPLACE VIEW coverage AS
SELECT source, provider, currency, delivery, count(*) AS listed, count(*) FILTER (fresh) AS fresh,
    total.items, count(*) / total.items AS share, max(observed_at) AS observed_at
FROM store.dated_quote
JOIN (SELECT source, count(*) AS items FROM store.item WHERE NOT aggregate GROUP BY source) total USING (source)
WHERE NOT aggregate
GROUP BY source, provider, currency, delivery, total.items;
