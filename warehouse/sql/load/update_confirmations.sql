-- Write what this run confirms, or leaves in doubt; before its observations are stored.
-- In: confirmed_quote, doubted_quote, reconfirmed_quote, closure, all of them of the marketplaces in shard_observation:
-- the files of a lake are sorted by marketplace. Out: store.current, store.unconfirmed.

UPDATE store.current c SET
    seen_at = greatest(q.observed_at, c.seen_at),
    fresh_until = greatest(q.observed_at + to_seconds(3 * getvariable('interval_seconds')), c.fresh_until)
FROM confirmed_quote q
WHERE q.quote_key = c.quote_key AND c.provider_key IN (SELECT provider_key FROM shard_observation);

-- Store what confirmed the doubted quotes so far, like the view store.listed: the observations of this run would seem
-- to confirm them.
WITH last_observation AS (
    SELECT o.scope_key, o.provider_key, s.currency, s.delivery, s.selection, o.complete_to AS observed_to, o.fresh_until
    FROM store.last_observation o JOIN store.scope s USING (scope_key)
    WHERE o.complete_to IS NOT NULL
), confirmed AS (
    SELECT d.quote_key, max(o.observed_to) AS observed_to, max(o.fresh_until) AS fresh_until
    FROM doubted_quote d
    JOIN store.item i ON i.item_key = d.quote_key >> 20
    JOIN store.book b ON b.book_key = d.quote_key & 1048575
    JOIN last_observation o USING (provider_key, currency, delivery)
    LEFT JOIN store.unconfirmed u USING (quote_key)
    WHERE coalesce(o.observed_to > u.unconfirmed_at, true) AND (store.covers(o.selection, i.aggregate)
        OR EXISTS (FROM store.scope_item m WHERE m.scope_key = o.scope_key AND m.item_key = i.item_key)
        OR EXISTS (FROM store.catalog_aggregate a WHERE a.scope_key = o.scope_key AND a.quote_key = d.quote_key))
    GROUP BY d.quote_key
)
UPDATE store.current c SET
    seen_at = greatest(n.observed_to, c.seen_at), fresh_until = greatest(n.fresh_until, c.fresh_until)
FROM confirmed n
WHERE n.quote_key = c.quote_key AND c.provider_key IN (SELECT provider_key FROM shard_observation);

CREATE OR REPLACE TEMP TABLE doubt AS
SELECT d.quote_key, d.last_to AS unconfirmed_at,
    CASE WHEN d.unread THEN u.missed_since ELSE coalesce(u.missed_since, d.observed_to) END AS missed_since,
    coalesce(u.missed_runs, 0) + (NOT d.unread)::INTEGER AS missed_runs
FROM doubted_quote d LEFT JOIN store.unconfirmed u USING (quote_key);

DELETE FROM store.unconfirmed WHERE quote_key IN (
    SELECT quote_key FROM doubt UNION ALL FROM reconfirmed_quote UNION ALL SELECT quote_key FROM closure
);

INSERT INTO store.unconfirmed FROM doubt;
