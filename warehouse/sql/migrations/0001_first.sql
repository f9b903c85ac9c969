-- The first schema. Fact tables are narrow and have no primary key and no index: indexes slow the load, and DuckDB has
-- corrupted them under upserts. Names are in the dimension tables; users query the views.

CREATE SCHEMA store;

CREATE TABLE store.schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL);

-- An item is identified by (source, the source's id as text, phase, base name). Other names are attributes.
CREATE TABLE store.item (
    item_key INTEGER NOT NULL,
    source VARCHAR NOT NULL,
    item_id VARCHAR NOT NULL,
    phase VARCHAR,
    base_name VARCHAR NOT NULL,
    market_hash_name VARCHAR NOT NULL,
    aggregate BOOLEAN NOT NULL,             -- without a phase, while other items of its name have one
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

-- What a shard requested: a whole catalog, or the items in scope_item. Each of its providers has its own observations.
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

-- The last state of each quote; a closed quote stays as a row with null price and quantity 0.
CREATE TABLE store.current (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, delivery VARCHAR NOT NULL,
    lowest_ask BIGINT, price DECIMAL(20, 8), quantity BIGINT NOT NULL,
    changed_at TIMESTAMPTZ, last_updated TIMESTAMPTZ, url VARCHAR,
    valid_from TIMESTAMPTZ NOT NULL,        -- of this quote's newest row in store.history
    seen_at TIMESTAMPTZ NOT NULL,           -- when this state was observed last
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
