-- Almost every price equals its minor units in hundredths: only other prices are stored. DECIMAL(20, 8) takes 128 bits;
-- no other column took as long to write, or as much space in the history.

ALTER TABLE store.current RENAME TO current_5;
CREATE TABLE store.current (
    quote_key BIGINT NOT NULL,              -- (item_key << 20) | book_key
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, delivery VARCHAR NOT NULL,
    lowest_ask BIGINT,                      -- null: not listed
    other_price DECIMAL(20, 8),             -- where it differs from lowest_ask; see store.price_by
    quantity BIGINT,
    changed_at TIMESTAMPTZ, last_updated TIMESTAMPTZ, url VARCHAR,
    valid_from TIMESTAMPTZ NOT NULL,        -- of this quote's newest row in store.history
    seen_at TIMESTAMPTZ NOT NULL,           -- when this state was observed last
    run_key INTEGER NOT NULL,
    CHECK (lowest_ask IS NOT NULL OR other_price IS NULL)
);
-- The same as store.price_of, which a new database does not have yet.
CREATE TEMP MACRO said_by(minor_units) AS (minor_units::DECIMAL(16, 0) * 0.01)::DECIMAL(20, 8);
INSERT INTO store.current
SELECT quote_key, item_key, provider_key, currency, delivery, lowest_ask,
    CASE WHEN price IS DISTINCT FROM said_by(lowest_ask) THEN price END, quantity,
    changed_at, last_updated, url, valid_from, seen_at, run_key
FROM store.current_5;
DROP TABLE store.current_5;

ALTER TABLE store.history RENAME TO history_5;
CREATE TABLE store.history (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, delivery VARCHAR NOT NULL,
    lowest_ask BIGINT, other_price DECIMAL(20, 8), quantity BIGINT,
    changed_at TIMESTAMPTZ, last_updated TIMESTAMPTZ, valid_from TIMESTAMPTZ NOT NULL, run_key INTEGER NOT NULL,
    CHECK (lowest_ask IS NOT NULL OR other_price IS NULL)
);
INSERT INTO store.history
SELECT item_key, provider_key, currency, delivery, lowest_ask,
    CASE WHEN price IS DISTINCT FROM said_by(lowest_ask) THEN price END, quantity,
    changed_at, last_updated, valid_from, run_key
FROM store.history_5;
DROP TABLE store.history_5;
DROP MACRO said_by;
