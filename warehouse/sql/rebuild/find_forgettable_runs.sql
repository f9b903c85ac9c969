-- Find the loaded runs of quotes that can be loaded again: those with a landing that observed nothing before the end of
-- the last run without one. In: landed (run_id), store. Out: forgotten; restart, by source the end of the runs without a
-- landing; kept_run, by source the end of all runs that stay: some of these have a landing, but started before.

CREATE OR REPLACE TEMP TABLE run_range AS
SELECT r.run_key, r.run_id, r.source, coalesce(min(o.observed_from), r.started_at) AS observed_from,
    coalesce(max(o.observed_to), r.started_at) AS observed_to
FROM store.run r LEFT JOIN store.observation o USING (run_key)
WHERE r.flow NOT IN ('backfill', 'sales')
GROUP BY r.run_key, r.run_id, r.source, r.started_at;

CREATE OR REPLACE TEMP TABLE restart AS
SELECT source, max(observed_to) FILTER (run_id NOT IN (FROM landed)) AS restart_at FROM run_range GROUP BY source;

CREATE OR REPLACE TEMP TABLE forgotten AS
SELECT r.run_key, r.run_id, r.source FROM run_range r JOIN restart USING (source)
WHERE r.run_id IN (FROM landed) AND coalesce(r.observed_from > restart_at, true);

CREATE OR REPLACE TEMP TABLE kept_run AS
SELECT source, max(observed_to) AS kept_to FROM run_range ANTI JOIN forgotten USING (run_key) GROUP BY source;
