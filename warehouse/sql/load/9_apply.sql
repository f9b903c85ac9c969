-- The run enters the facts. In: moved, gone, asked, listed, dark, down_provider, reject.

INSERT INTO store.reject
SELECT reject_id, getvariable('run_key'), currency, deliveries, provider, observed_at::TIMESTAMPTZ, reason, raw, NULL FROM reject;

INSERT INTO store.history
SELECT item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, changed_at, last_updated,
    valid_from, getvariable('run_key')
FROM moved WHERE changed
UNION ALL
SELECT item_key, provider_key, currency, delivery, NULL, NULL, 0, NULL, NULL, valid_from, getvariable('run_key')
FROM gone;

MERGE INTO store.current c
USING (
    SELECT quote_key, lowest_ask, other_price, quantity, changed_at, last_updated, url, valid_from, observed_at, changed
    FROM moved WHERE NOT fresh
    UNION ALL
    SELECT quote_key, NULL, NULL, 0, NULL, NULL, NULL, valid_from, observed_at, true FROM gone
) m ON c.quote_key = m.quote_key
WHEN MATCHED THEN UPDATE SET
    lowest_ask = m.lowest_ask, other_price = m.other_price, quantity = m.quantity,
    -- a route may tell an older time, or none, of an unchanged quote: that makes the next one no change
    -- (and a batch tells no address: the one that is known stays)
    changed_at = CASE WHEN m.changed THEN m.changed_at ELSE greatest(m.changed_at, c.changed_at) END,
    last_updated = m.last_updated, url = coalesce(m.url, c.url), seen_at = m.observed_at, run_key = getvariable('run_key'),
    valid_from = CASE WHEN m.changed THEN m.valid_from ELSE c.valid_from END;

INSERT INTO store.current
SELECT quote_key, item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, changed_at, last_updated,
    url, valid_from, observed_at, getvariable('run_key')
FROM moved WHERE fresh;

INSERT INTO store.observation
SELECT getvariable('run_key'), a.scope_key, a.provider_key, min(a.observed_from), max(a.observed_to),
    bool_and(a.complete AND d.provider_key IS NULL AND x.provider_key IS NULL),
    max(coalesce(a.reason,
        CASE WHEN d.provider_key IS NOT NULL OR x.provider_key IS NOT NULL THEN 'provider dark' END)),
    coalesce(sum(b.rows), 0), max(b.newest)
FROM asked a
LEFT JOIN (SELECT DISTINCT provider_key, currency, delivery FROM dark) d USING (provider_key, currency, delivery)
LEFT JOIN down_provider x ON x.provider_key = a.provider_key
LEFT JOIN listed b USING (shard, provider_key, delivery)
GROUP BY a.scope_key, a.provider_key;
