-- Write the run into the facts.
-- In: updated_quote, closure, shard_observation, observed_book, suspect_provider, down_provider, reject.
-- Out: store.reject, store.history, store.current, store.observation.

INSERT INTO store.reject
SELECT reject_id, getvariable('run_key'), currency, deliveries, provider, observed_at::TIMESTAMPTZ, reason, raw, NULL
FROM reject;

INSERT INTO store.history
SELECT item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, changed_at, last_updated,
    valid_from, getvariable('run_key')
FROM updated_quote WHERE changed
UNION ALL
SELECT item_key, provider_key, currency, delivery, NULL, NULL, 0, NULL, NULL, valid_from, getvariable('run_key')
FROM closure;

MERGE INTO store.current c
USING (
    SELECT quote_key, lowest_ask, other_price, quantity, changed_at, last_updated, url, valid_from, observed_at, changed
    FROM updated_quote WHERE NOT is_new
    UNION ALL
    SELECT quote_key, NULL, NULL, 0, NULL, NULL, NULL, valid_from, observed_at, true FROM closure
) u ON c.quote_key = u.quote_key
WHEN MATCHED THEN UPDATE SET
    lowest_ask = u.lowest_ask, other_price = u.other_price, quantity = u.quantity,
    -- A route may give an older timestamp, or none, for an unchanged quote; the newer one must stay, or the next
    -- timestamp would count as a change. A batch gives no URL: the known one stays.
    changed_at = CASE WHEN u.changed THEN u.changed_at ELSE greatest(u.changed_at, c.changed_at) END,
    last_updated = u.last_updated, url = coalesce(u.url, c.url), seen_at = u.observed_at, run_key = getvariable('run_key'),
    valid_from = CASE WHEN u.changed THEN u.valid_from ELSE c.valid_from END;

INSERT INTO store.current
SELECT quote_key, item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, changed_at, last_updated,
    url, valid_from, observed_at, getvariable('run_key')
FROM updated_quote WHERE is_new;

INSERT INTO store.observation
SELECT getvariable('run_key'), o.scope_key, o.provider_key, min(o.observed_from), max(o.observed_to),
    bool_and(o.complete AND s.provider_key IS NULL AND d.provider_key IS NULL),
    max(coalesce(o.reason,
        CASE WHEN s.provider_key IS NOT NULL OR d.provider_key IS NOT NULL THEN 'provider dark' END)),
    coalesce(sum(b.rows), 0), max(b.newest)
FROM shard_observation o
LEFT JOIN (SELECT DISTINCT provider_key, currency, delivery FROM suspect_provider) s
    USING (provider_key, currency, delivery)
LEFT JOIN down_provider d ON d.provider_key = o.provider_key
LEFT JOIN observed_book b USING (shard, provider_key, delivery)
GROUP BY o.scope_key, o.provider_key;
