-- Create the tables that a later step may skip, and map the names that the store knows to their keys.
-- In: store.item. Out: name_key; contract_change, late_quote, repeated_quote, recomputed_change, recomputed_run, refill,
-- missing_count, suspect_provider, closure, doubted_quote, confirmed_quote, removal (empty).

CREATE OR REPLACE TEMP TABLE contract_change (
    item_id VARCHAR, was_name VARCHAR, was_phase VARCHAR, market_hash_name VARCHAR, phase VARCHAR
);

CREATE OR REPLACE TEMP VIEW name_key AS
SELECT item_id, TRY_CAST(item_id AS BIGINT) AS number, coalesce(phase, '') AS phase, market_hash_name, item_key
FROM store.item WHERE source = getvariable('source');

-- For the steps after find_late_rows, which may be skipped.
CREATE OR REPLACE TEMP TABLE late_quote (quote_key BIGINT);
CREATE OR REPLACE TEMP TABLE repeated_quote (quote_key BIGINT);
CREATE OR REPLACE TEMP TABLE recomputed_change (quote_key BIGINT, run_key INTEGER, lowest_ask BIGINT);
CREATE OR REPLACE TEMP TABLE recomputed_run (run_key INTEGER, book_key INTEGER);
CREATE OR REPLACE TEMP TABLE refill (item_key INTEGER, provider_key INTEGER);

-- For the steps after separate_removals, which may be skipped.
CREATE OR REPLACE TEMP TABLE removal (
    quote_key BIGINT, item_key INTEGER, provider_key INTEGER, currency VARCHAR, delivery VARCHAR, removed_at TIMESTAMPTZ
);

-- For the steps after find_missing and find_closures, which may be skipped.
CREATE OR REPLACE TEMP TABLE missing_count (book_key INTEGER, missing BIGINT, returned BIGINT);
CREATE OR REPLACE TEMP TABLE suspect_provider (
    book_key INTEGER, provider_key INTEGER, currency VARCHAR, delivery VARCHAR, vanished BIGINT, listed BIGINT
);
CREATE OR REPLACE TEMP TABLE closure (
    quote_key BIGINT, item_key INTEGER, provider_key INTEGER, currency VARCHAR, delivery VARCHAR, valid_from TIMESTAMPTZ
);
CREATE OR REPLACE TEMP TABLE doubted_quote (
    quote_key BIGINT, unread BOOLEAN, observed_to TIMESTAMPTZ, last_to TIMESTAMPTZ
);
CREATE OR REPLACE TEMP TABLE confirmed_quote (quote_key BIGINT, observed_at TIMESTAMPTZ);
