-- The first schema. Facts are narrow and carry no key and no index (indexes slow the load and have
-- corrupted under upserts); names live in the dimensions; analysts see the views.

CREATE SCHEMA store;

CREATE TABLE store.schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL);

-- Who an item is: (source, the source's id as text, phase, base name). Names are attributes.
CREATE TABLE store.item (
    item_key INTEGER NOT NULL,
    source VARCHAR NOT NULL,
    item_id VARCHAR NOT NULL,
    phase VARCHAR,
    base_name VARCHAR NOT NULL,
    market_hash_name VARCHAR NOT NULL,
    aggregate BOOLEAN NOT NULL,             -- no phase of its own, but others of its name have one
    item_type VARCHAR, item_subtype VARCHAR, weapon_type VARCHAR, skin_name VARCHAR, wear_name VARCHAR,
    collection VARCHAR, rarity_name VARCHAR, is_stattrak BOOLEAN, is_souvenir BOOLEAN
);

CREATE TABLE store.provider (
    provider_key INTEGER NOT NULL,
    source VARCHAR NOT NULL,
    provider VARCHAR NOT NULL,
    name VARCHAR, market_type VARCHAR, default_currency VARCHAR,
    sell_fee DOUBLE, insta_sell_fee DOUBLE, trading_spread_fee DOUBLE,
    has_buy_orders BOOLEAN, has_recent_sales BOOLEAN, health VARCHAR, refreshed_at TIMESTAMPTZ
);

CREATE TABLE store.run (
    run_key INTEGER NOT NULL,
    run_id VARCHAR NOT NULL,
    flow VARCHAR NOT NULL, source VARCHAR NOT NULL, basket VARCHAR NOT NULL, state VARCHAR NOT NULL,
    started_at TIMESTAMPTZ NOT NULL, finished_at TIMESTAMPTZ, loaded_at TIMESTAMPTZ NOT NULL,
    requests INTEGER NOT NULL, rows_fetched BIGINT NOT NULL, rows_changed BIGINT NOT NULL,
    rows_closed BIGINT NOT NULL, rows_rejected BIGINT NOT NULL, quota_remaining BIGINT,
    incomplete_reason VARCHAR, interval_seconds INTEGER, unknown_fields VARCHAR
);

-- What a shard asked for: a whole catalog, or a set of items (scope_item); its providers are observed apart.
CREATE TABLE store.scope (
    scope_key INTEGER NOT NULL, source VARCHAR NOT NULL, currency VARCHAR NOT NULL,
    delivery VARCHAR NOT NULL, selection VARCHAR NOT NULL
);
CREATE TABLE store.scope_item (scope_key INTEGER NOT NULL, item_key INTEGER NOT NULL);

CREATE TABLE store.observation (
    run_key INTEGER NOT NULL, scope_key INTEGER NOT NULL, provider_key INTEGER NOT NULL,
    observed_from TIMESTAMPTZ NOT NULL, observed_to TIMESTAMPTZ NOT NULL,
    complete BOOLEAN NOT NULL, reason VARCHAR, rows BIGINT NOT NULL, newest_last_updated TIMESTAMPTZ
);

-- The last answer for each key; a quote that vanished stays as a row with null price and quantity 0.
CREATE TABLE store.current (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, delivery VARCHAR NOT NULL,
    lowest_ask BIGINT, price DECIMAL(20, 8), quantity BIGINT NOT NULL,
    changed_at TIMESTAMPTZ, last_updated TIMESTAMPTZ, url VARCHAR,
    valid_from TIMESTAMPTZ NOT NULL,        -- of this key's newest row in store.history
    seen_at TIMESTAMPTZ NOT NULL,           -- when the answer stored here was observed
    run_key INTEGER NOT NULL
);

CREATE TABLE store.history (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, delivery VARCHAR NOT NULL,
    lowest_ask BIGINT, price DECIMAL(20, 8), quantity BIGINT NOT NULL,
    changed_at TIMESTAMPTZ, last_updated TIMESTAMPTZ, valid_from TIMESTAMPTZ NOT NULL, run_key INTEGER NOT NULL
);

CREATE TABLE store.reject (
    reject_id VARCHAR NOT NULL, run_key INTEGER NOT NULL, currency VARCHAR NOT NULL, delivery VARCHAR NOT NULL,
    observed_at TIMESTAMPTZ NOT NULL, reason VARCHAR NOT NULL, raw VARCHAR NOT NULL, replayed_run_id VARCHAR
);

CREATE TABLE store.alert (
    alert_id BIGINT NOT NULL, cause VARCHAR NOT NULL, source VARCHAR NOT NULL, subject VARCHAR NOT NULL,
    code VARCHAR, message VARCHAR NOT NULL, guidance VARCHAR, run_id VARCHAR,
    opened_at TIMESTAMPTZ NOT NULL, last_at TIMESTAMPTZ NOT NULL, repeats INTEGER NOT NULL, closed_at TIMESTAMPTZ
);
