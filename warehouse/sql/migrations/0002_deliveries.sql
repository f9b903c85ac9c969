-- Quantities may be null, because not every source reports one. A reject may belong to one of several deliveries and
-- may lack a provider. New: exchange rates, and the last request id of a run.

ALTER TABLE store.current ALTER COLUMN quantity DROP NOT NULL;
ALTER TABLE store.history ALTER COLUMN quantity DROP NOT NULL;

-- A new table, because DuckDB 1.5.5 cannot replay ALTER COLUMN TYPE ... USING from the log of a killed writer.
ALTER TABLE store.reject RENAME TO reject_1;
CREATE TABLE store.reject (
    reject_id VARCHAR NOT NULL, run_key INTEGER NOT NULL, currency VARCHAR NOT NULL, deliveries VARCHAR[] NOT NULL,
    provider VARCHAR,                       -- where the row or its request names one
    observed_at TIMESTAMPTZ NOT NULL, reason VARCHAR NOT NULL, raw VARCHAR NOT NULL, replayed_run_id VARCHAR
);
INSERT INTO store.reject
SELECT reject_id, run_key, currency, [delivery], NULL, observed_at, reason, raw, replayed_run_id FROM store.reject_1;
DROP TABLE store.reject_1;

ALTER TABLE store.run ADD COLUMN request_id VARCHAR;

-- Units of a currency for one US dollar. Each table of rates is stored once, under its own time (`rate_at`).
CREATE TABLE store.fx_rate (
    source VARCHAR NOT NULL, currency VARCHAR NOT NULL, rate DECIMAL(38, 18) NOT NULL,
    rate_at TIMESTAMPTZ NOT NULL, observed_at TIMESTAMPTZ NOT NULL
);
