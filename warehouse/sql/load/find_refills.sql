-- Find the quotes of which this run may change how points fill coverage gaps.
-- In: run_observation, late_quote, recomputed_run, store. Out: refill. Empties store.stale_filling.

CREATE OR REPLACE TEMP TABLE refill AS
WITH last_look AS (
    SELECT scope_key, provider_key, max(observed_from) AS observed_from
    FROM store.observation
    WHERE complete AND run_key <> getvariable('run_key') AND observed_from <= getvariable('observed_from')
    GROUP BY ALL
), changed AS (
    -- A complete observation ends the gap since the last one of its scope; any may change a state in a gap.
    SELECT n.provider_key, CASE WHEN n.complete THEN coalesce(l.observed_from, '-infinity'::TIMESTAMPTZ) ELSE n.observed_from END AS since
    FROM run_observation n LEFT JOIN last_look l USING (scope_key, provider_key)
    UNION ALL
    SELECT b.provider_key, '-infinity'::TIMESTAMPTZ FROM recomputed_run JOIN store.book b USING (book_key)
)
SELECT DISTINCT p.item_key, p.provider_key
FROM store.point p JOIN (SELECT provider_key, min(since) AS since FROM changed GROUP BY ALL) c USING (provider_key)
WHERE p.time > c.since
UNION
SELECT p.item_key, p.provider_key
FROM store.point p
JOIN (
    SELECT (q.quote_key >> 20)::INTEGER AS item_key, b.provider_key
    FROM late_quote q JOIN store.book b ON b.book_key = q.quote_key & 1048575
) USING (item_key, provider_key)
UNION
SELECT item_key, provider_key FROM store.point
WHERE item_key IN (FROM store.stale_filling);

DELETE FROM store.stale_filling;
