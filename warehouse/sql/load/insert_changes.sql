-- Write the run into the facts.
-- In: updated_quote, closure, confirmed_quote, doubted_quote, reconfirmed_quote, shard_observation, observed_book,
-- observed_item, aggregate_in_catalog, missing_count, suspect_provider, down_provider, reject.
-- Out: store.reject, store.history, store.current, store.unconfirmed, store.observation, store.observed_items,
-- store.missing_count, store.catalog_aggregate.

INSERT INTO store.reject BY NAME
SELECT r.reject_id, getvariable('run_key') AS run_key, r.currency, r.deliveries, r.provider,
    r.observed_at::TIMESTAMPTZ AS observed_at, r.reason, r.raw, y.run_id AS replayed_run_id, s.selection,
    r.item_id, r.market_hash_name, r.providers
FROM reject r
LEFT JOIN (SELECT shard, any_value(selection) AS selection FROM shard GROUP BY shard) s USING (shard)
LEFT JOIN (SELECT reject_id, min(run_id) AS run_id FROM store.replay GROUP BY reject_id) y USING (reject_id);

-- The states that end.
INSERT INTO store.history BY NAME
SELECT c.item_key, c.provider_key, c.currency, c.delivery,
    CASE WHEN c.at_change IS NULL THEN c.lowest_ask ELSE c.at_change.lowest_ask END AS lowest_ask,
    CASE WHEN c.at_change IS NULL THEN c.other_price ELSE c.at_change.other_price END AS other_price, c.quantity,
    CASE WHEN c.at_change IS NULL THEN c.changed_at ELSE c.at_change.changed_at END AS changed_at,
    CASE WHEN c.at_change IS NULL THEN c.last_updated ELSE c.at_change.last_updated END AS last_updated,
    c.valid_from, n.valid_from AS valid_to,
    CASE WHEN c.at_change IS NULL THEN c.run_key ELSE c.at_change.run_key END AS run_key
FROM store.current c
JOIN (
    SELECT quote_key, valid_from FROM updated_quote WHERE changed AND NOT is_new
    UNION ALL
    SELECT quote_key, valid_from FROM closure
) n USING (quote_key);

-- Store what confirmed the doubted quotes so far, like the view store.listed: the observations of this run would seem
-- to confirm them.
WITH last_observation AS (
    SELECT o.scope_key, o.provider_key, s.currency, s.delivery, s.selection, max(o.observed_to) AS observed_to,
        max(o.observed_to + to_seconds(3 * r.interval_seconds)) AS fresh_until
    FROM store.observation o JOIN store.scope s USING (scope_key) JOIN store.run r USING (run_key)
    WHERE o.complete GROUP BY ALL
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
FROM confirmed n WHERE n.quote_key = c.quote_key;

MERGE INTO store.current c
USING (
    SELECT quote_key, lowest_ask, other_price, quantity, changed_at, last_updated, url, valid_from, observed_at,
        observed_at + to_seconds(3 * getvariable('interval_seconds')) AS fresh_until, changed,
        changed OR is_newer_answer AS replaced
    FROM updated_quote WHERE NOT is_new
    UNION ALL
    SELECT quote_key, NULL, NULL, 0, NULL, NULL, NULL, valid_from, NULL, NULL, true, true FROM closure
) u ON c.quote_key = u.quote_key
WHEN MATCHED THEN UPDATE SET
    lowest_ask = u.lowest_ask, other_price = u.other_price, quantity = u.quantity,
    -- A route may give an older timestamp, or none, for an unchanged quote; the newer one must stay, or the next
    -- timestamp would count as a change. A batch gives no URL: the known one stays.
    changed_at = CASE WHEN u.changed THEN u.changed_at WHEN u.replaced THEN greatest(u.changed_at, c.changed_at)
        ELSE c.changed_at END,
    last_updated = CASE WHEN u.replaced THEN u.last_updated ELSE c.last_updated END,
    run_key = CASE WHEN u.replaced THEN getvariable('run_key') ELSE c.run_key END, url = coalesce(u.url, c.url),
    seen_at = greatest(u.observed_at, c.seen_at), fresh_until = greatest(u.fresh_until, c.fresh_until),
    at_change = CASE WHEN u.changed THEN NULL WHEN NOT u.replaced OR c.at_change IS NOT NULL THEN c.at_change
        ELSE struct_pack(c.lowest_ask, c.other_price, c.changed_at, c.last_updated, c.run_key) END,
    valid_from = CASE WHEN u.changed THEN u.valid_from ELSE c.valid_from END;

INSERT INTO store.current BY NAME
SELECT quote_key, item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, changed_at,
    last_updated, url, valid_from, observed_at AS seen_at, getvariable('run_key') AS run_key,
    observed_at + to_seconds(3 * getvariable('interval_seconds')) AS fresh_until
FROM updated_quote WHERE is_new;

UPDATE store.current c SET
    seen_at = greatest(q.observed_at, c.seen_at),
    fresh_until = greatest(q.observed_at + to_seconds(3 * getvariable('interval_seconds')), c.fresh_until)
FROM confirmed_quote q WHERE q.quote_key = c.quote_key;

CREATE OR REPLACE TEMP TABLE doubt AS
SELECT d.quote_key, d.last_to AS unconfirmed_at,
    CASE WHEN d.unread THEN u.missed_since ELSE coalesce(u.missed_since, d.observed_to) END AS missed_since,
    coalesce(u.missed_runs, 0) + (NOT d.unread)::INTEGER AS missed_runs
FROM doubted_quote d LEFT JOIN store.unconfirmed u USING (quote_key);

DELETE FROM store.unconfirmed WHERE quote_key IN (
    SELECT quote_key FROM doubt UNION ALL FROM reconfirmed_quote UNION ALL SELECT quote_key FROM closure
);

INSERT INTO store.unconfirmed FROM doubt;

INSERT INTO store.observation BY NAME
SELECT getvariable('run_key') AS run_key, o.scope_key, o.provider_key,
    min(o.observed_from) FILTER (o.decides) AS observed_from, max(o.observed_to) FILTER (o.decides) AS observed_to,
    bool_and(o.complete AND s.provider_key IS NULL AND d.provider_key IS NULL) FILTER (o.decides) AS complete,
    max(coalesce(o.reason, CASE WHEN s.provider_key IS NOT NULL OR d.provider_key IS NOT NULL THEN 'provider dark' END))
        FILTER (o.decides) AS reason,
    coalesce(sum(b.rows), 0) AS rows, max(b.newest) AS newest_last_updated,
    bool_and(o.complete AND d.provider_key IS NULL) FILTER (o.decides) AND bool_or(s.provider_key IS NOT NULL) AS held
FROM shard_observation o
LEFT JOIN suspect_provider s USING (provider_key, currency, delivery)
LEFT JOIN down_provider d ON d.provider_key = o.provider_key
LEFT JOIN observed_book b USING (shard, provider_key, delivery)
GROUP BY o.scope_key, o.provider_key;

INSERT INTO store.observed_items
SELECT getvariable('run_key'), scope_key, book_key, observed_at, item_keys
FROM observed_item ORDER BY book_key, observed_at;

INSERT INTO store.missing_count SELECT getvariable('run_key'), book_key, missing, returned FROM missing_count;

CREATE OR REPLACE TEMP TABLE new_aggregate AS
FROM aggregate_in_catalog EXCEPT FROM store.catalog_aggregate;

DELETE FROM store.catalog_aggregate WHERE (scope_key, quote_key) IN (SELECT (scope_key, quote_key) FROM new_aggregate);

INSERT INTO store.catalog_aggregate FROM new_aggregate;

INSERT INTO store.acceptance
SELECT getvariable('run_key'), provider_key, getvariable('started_at')
FROM accepted JOIN store.provider USING (provider) WHERE source = getvariable('source');
