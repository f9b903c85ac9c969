-- Remove what the forgotten runs wrote, and put the quotes back to their last change before. In: forgotten, kept_run.
-- Out: store; uncertain_quote, the quotes of which the misses must be counted again.

CREATE OR REPLACE TEMP TABLE uncertain_quote AS
SELECT u.quote_key, p.source
FROM (
    SELECT quote_key FROM store.unconfirmed
    UNION
    SELECT c.quote_key
    FROM store.history h
    JOIN store.current c USING (item_key, provider_key, currency, delivery)
    WHERE h.lowest_ask IS NULL AND h.run_key IN (SELECT run_key FROM forgotten)
) u
JOIN store.book b ON b.book_key = u.quote_key & 1048575
JOIN store.provider p USING (provider_key)
WHERE p.source IN (SELECT source FROM forgotten);

DELETE FROM store.history WHERE run_key IN (SELECT run_key FROM forgotten);

CREATE OR REPLACE TEMP TABLE forgotten_quote AS
SELECT quote_key, item_key, provider_key, currency, delivery, url, seen_at, fresh_until
FROM store.current WHERE run_key IN (SELECT run_key FROM forgotten);

CREATE OR REPLACE TEMP TABLE last_change AS
SELECT q.quote_key, unnest(max_by(struct_pack(h.lowest_ask, h.other_price, h.quantity, h.changed_at, h.last_updated,
    h.valid_from, h.run_key), h.valid_from))
FROM store.history h JOIN forgotten_quote q USING (item_key, provider_key, currency, delivery)
GROUP BY q.quote_key;

DELETE FROM store.current WHERE run_key IN (SELECT run_key FROM forgotten);

INSERT INTO store.current BY NAME
SELECT q.quote_key, q.item_key, q.provider_key, q.currency, q.delivery, l.lowest_ask, l.other_price, l.quantity,
    l.changed_at, l.last_updated, q.url, l.valid_from, least(q.seen_at, r.kept_to) AS seen_at, l.run_key,
    q.fresh_until
FROM forgotten_quote q
JOIN last_change l USING (quote_key)
JOIN store.item i USING (item_key)
JOIN kept_run r USING (source);

UPDATE store.current c SET seen_at = r.kept_to
FROM store.item i JOIN kept_run r USING (source)
WHERE i.item_key = c.item_key AND c.seen_at > r.kept_to AND i.source IN (SELECT source FROM forgotten);

DELETE FROM store.observation WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.observed_items WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.missing_count WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.acceptance WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.reject WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.replay WHERE run_id IN (SELECT run_id FROM forgotten);
UPDATE store.reject SET replayed_run_id = NULL WHERE replayed_run_id IN (SELECT run_id FROM forgotten);
DELETE FROM store.run WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.unconfirmed WHERE quote_key IN (SELECT quote_key FROM uncertain_quote);
