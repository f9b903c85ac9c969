-- The newest observations by scope and marketplace: a question about freshness read all observations of all years.

-- observed_to: the end of the newest observation. Of the complete ones, complete_to is the newest end, and fresh_until
-- the newest time up to which one of them keeps a quote fresh; both are null where none is complete.
CREATE TABLE store.last_observation (
    scope_key INTEGER NOT NULL, provider_key INTEGER NOT NULL,
    observed_to TIMESTAMPTZ NOT NULL, complete_to TIMESTAMPTZ, fresh_until TIMESTAMPTZ
);
INSERT INTO store.last_observation
SELECT o.scope_key, o.provider_key, max(o.observed_to), max(o.observed_to) FILTER (o.complete),
    max(o.observed_to + to_seconds(3::BIGINT * r.interval_seconds)) FILTER (o.complete)
FROM store.observation o JOIN store.run r USING (run_key)
GROUP BY o.scope_key, o.provider_key;
