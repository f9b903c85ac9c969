-- What each run returned, item by item, so that landings can be loaded in any order and a quote is confirmed only by a
-- row.

-- The items of which a page of a run has rows, by book. `item_keys` is sorted.
CREATE TABLE store.observed_items (
    run_key INTEGER NOT NULL, scope_key INTEGER NOT NULL, book_key INTEGER NOT NULL,
    observed_at TIMESTAMPTZ NOT NULL, item_keys INTEGER[] NOT NULL
);

-- The listed quotes that their last complete observation covers and did not return, and did not close. `missed_since`
-- and `missed_runs`: the first run that lacked the quote since its last row, and the number of such runs; null and 0
-- where the row was rejected.
CREATE TABLE store.unconfirmed (
    quote_key BIGINT NOT NULL, unconfirmed_at TIMESTAMPTZ NOT NULL,
    missed_since TIMESTAMPTZ, missed_runs INTEGER NOT NULL
);

-- The aggregates that a complete observation of a catalog returned, by the end of the first such observation.
CREATE TABLE store.catalog_aggregate (
    scope_key INTEGER NOT NULL, quote_key BIGINT NOT NULL, since TIMESTAMPTZ NOT NULL
);

-- How many listed quotes of a book the complete observations of a run lacked (settled ones left out), and how many rows
-- it returned.
CREATE TABLE store.missing_count (
    run_key INTEGER NOT NULL, book_key INTEGER NOT NULL, missing BIGINT NOT NULL, returned BIGINT NOT NULL
);

-- The rejects that a replay parsed; a replay may be loaded before the landing that has the rejects.
CREATE TABLE store.replay (reject_id VARCHAR NOT NULL, run_id VARCHAR NOT NULL);
INSERT INTO store.replay SELECT reject_id, replayed_run_id FROM store.reject WHERE replayed_run_id IS NOT NULL;

-- The words "held": too many quotes vanished at once, so that a complete observation closed none. Null: an older
-- version loaded the observation, and what the run returned is not known.
ALTER TABLE store.observation ADD COLUMN held BOOLEAN;

-- The end of a quote's freshness by the run that returned it, like `seen_at`. Complete observations may confirm it
-- longer.
ALTER TABLE store.current ADD COLUMN fresh_until TIMESTAMPTZ;
UPDATE store.current c SET fresh_until = c.seen_at + to_seconds(3 * r.interval_seconds)
FROM store.run r WHERE r.run_key = c.run_key AND r.interval_seconds IS NOT NULL;

-- The shard's selection and what a reject names: what it may be about does not close.
ALTER TABLE store.reject ADD COLUMN selection VARCHAR;
ALTER TABLE store.reject ADD COLUMN item_id VARCHAR;
ALTER TABLE store.reject ADD COLUMN market_hash_name VARCHAR;

-- When the name and the attributes of an item were observed: older ones do not replace newer ones.
ALTER TABLE store.item ADD COLUMN named_at TIMESTAMPTZ;
ALTER TABLE store.item ADD COLUMN catalog_at TIMESTAMPTZ;

-- A user accepted that the missing quotes of a provider are gone.
CREATE TABLE store.acceptance (
    run_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, accepted_at TIMESTAMPTZ NOT NULL
);

-- The items that a scope requests by name alone: an item may get its key later.
CREATE TABLE store.scope_name (scope_key INTEGER NOT NULL, market_hash_name VARCHAR NOT NULL, phase VARCHAR);
