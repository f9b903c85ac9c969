-- Remove what the forgotten runs wrote, and put the quotes back to their last change before. In: forgotten, kept_run,
-- and in store.history all states that ended after the first one of a forgotten run, and all that these runs returned in
-- store.observed_items.
-- Out: store (in store.stale_filling, all items with points); uncertain_quote, the quotes of which the misses must be
-- counted again.

CREATE OR REPLACE TEMP TABLE uncertain_quote AS
SELECT u.quote_key, p.source
FROM (
    SELECT quote_key FROM store.unconfirmed
    UNION
    SELECT c.quote_key
    FROM open_state h
    JOIN store.current c USING (item_key, provider_key, currency, delivery)
    WHERE h.lowest_ask IS NULL AND h.run_key IN (SELECT run_key FROM forgotten)
) u
JOIN store.book b ON b.book_key = u.quote_key & 1048575
JOIN store.provider p USING (provider_key)
WHERE p.source IN (SELECT source FROM forgotten);

-- The quotes of which a forgotten run gave a state, or the last answer only: then the state at the change is the answer.
CREATE OR REPLACE TEMP TABLE forgotten_quote AS
SELECT c.quote_key, c.item_key, c.provider_key, c.currency, c.delivery, c.url, c.seen_at, c.fresh_until,
    coalesce(f.forgotten_from, 'infinity'::TIMESTAMPTZ) AS forgotten_from
FROM store.current c
LEFT JOIN (
    SELECT item_key, provider_key, currency, delivery, min(valid_from) AS forgotten_from
    FROM open_state WHERE run_key IN (SELECT run_key FROM forgotten) GROUP BY ALL
) f USING (item_key, provider_key, currency, delivery)
WHERE f.forgotten_from IS NOT NULL OR c.run_key IN (SELECT run_key FROM forgotten);

INSERT INTO store.stale_best_ask
SELECT item_key, currency, min(forgotten_from) FROM forgotten_quote
WHERE delivery <> 'bid' AND forgotten_from < 'infinity' GROUP BY item_key, currency;

-- Their other states from the last one before on.
CREATE OR REPLACE TEMP TABLE kept_state AS
SELECT q.quote_key, h.* EXCLUDE (valid_to), lead(h.valid_from) OVER (PARTITION BY q.quote_key ORDER BY h.valid_from) AS valid_to
FROM open_state h
JOIN forgotten_quote q USING (item_key, provider_key, currency, delivery)
WHERE coalesce(h.valid_to >= q.forgotten_from, true) AND h.run_key NOT IN (SELECT run_key FROM forgotten);

DELETE FROM store.history h USING forgotten_quote q
WHERE h.item_key = q.item_key AND h.provider_key = q.provider_key AND h.currency = q.currency
    AND h.delivery = q.delivery AND h.valid_to >= q.forgotten_from;

INSERT INTO store.history BY NAME
SELECT * EXCLUDE (quote_key) FROM kept_state WHERE valid_to IS NOT NULL;

DELETE FROM store.current WHERE quote_key IN (SELECT quote_key FROM forgotten_quote);

INSERT INTO store.current BY NAME
SELECT q.quote_key, q.item_key, q.provider_key, q.currency, q.delivery, h.lowest_ask, h.other_price, h.quantity,
    h.changed_at, h.last_updated, q.url, h.valid_from, least(q.seen_at, r.kept_to) AS seen_at, h.run_key,
    q.fresh_until
FROM forgotten_quote q
JOIN kept_state h ON h.quote_key = q.quote_key AND h.valid_to IS NULL
JOIN store.item i ON i.item_key = q.item_key
JOIN kept_run r USING (source);

UPDATE store.current c SET seen_at = r.kept_to
FROM store.item i JOIN kept_run r USING (source)
WHERE i.item_key = c.item_key AND c.seen_at > r.kept_to AND i.source IN (SELECT source FROM forgotten);

DELETE FROM store.observation WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.observed_items WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.missing_count WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.removal WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.acceptance WHERE run_key IN (SELECT run_key FROM forgotten);
-- What a forgotten walk saw stays seen: the same landing says it again.
DELETE FROM store.listing_walk WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.market_stat WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.reject WHERE run_key IN (SELECT run_key FROM forgotten);
DELETE FROM store.replay WHERE run_id IN (SELECT run_id FROM forgotten);
UPDATE store.reject SET replayed_run_id = NULL WHERE replayed_run_id IN (SELECT run_id FROM forgotten);
DELETE FROM store.run WHERE run_key IN (SELECT run_key FROM forgotten);

DELETE FROM store.last_observation;

INSERT INTO store.last_observation
SELECT o.scope_key, o.provider_key, max(o.observed_to), max(o.observed_to) FILTER (o.complete),
    max(o.observed_to + to_seconds(3::BIGINT * r.interval_seconds)) FILTER (o.complete)
FROM store.observation o JOIN store.run r USING (run_key)
GROUP BY o.scope_key, o.provider_key;

DELETE FROM store.unconfirmed WHERE quote_key IN (SELECT quote_key FROM uncertain_quote);

INSERT INTO store.stale_filling SELECT DISTINCT item_key FROM store.point;
