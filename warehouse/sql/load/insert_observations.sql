-- Write what this run observed.
-- In: shard_observation, observed_book, observed_item, missing_count, suspect_provider, down_provider.
-- Out: run_observation; store.observation, store.last_observation, store.observed_items, store.missing_count.

CREATE OR REPLACE TEMP TABLE run_observation AS
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

INSERT INTO store.observation BY NAME FROM run_observation;

MERGE INTO store.last_observation l USING (
    SELECT scope_key, provider_key, observed_to, CASE WHEN complete THEN observed_to END AS complete_to,
        CASE WHEN complete THEN observed_to + to_seconds(3::BIGINT * getvariable('interval_seconds')) END AS fresh_until
    FROM run_observation
) n USING (scope_key, provider_key)
WHEN MATCHED THEN UPDATE SET observed_to = greatest(l.observed_to, n.observed_to),
    complete_to = greatest(l.complete_to, n.complete_to), fresh_until = greatest(l.fresh_until, n.fresh_until)
WHEN NOT MATCHED THEN INSERT BY NAME;

INSERT INTO store.observed_items
SELECT getvariable('run_key'), scope_key, book_key, observed_at, item_keys
FROM observed_item ORDER BY book_key, observed_at, item_keys[1];

INSERT INTO store.missing_count SELECT getvariable('run_key'), book_key, missing, returned FROM missing_count;
