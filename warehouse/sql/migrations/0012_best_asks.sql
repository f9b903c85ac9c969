-- The best ask of each item over time, kept by the loads, so that no query works it out from all asks.

-- The items of all sources by name and phase: `group_key` is the smallest key of those that are one item. `is_one` is
-- false for an item without a phase whose name has phases: its quotes are of no single item.
CREATE TABLE store.item_group (item_key INTEGER NOT NULL, group_key INTEGER NOT NULL, is_one BOOLEAN NOT NULL);
INSERT INTO store.item_group
SELECT item_key, min(item_key) OVER (PARTITION BY market_hash_name, phase),
    phase IS NOT NULL OR NOT bool_or(phase IS NOT NULL) OVER (PARTITION BY market_hash_name)
FROM store.item;

-- Where an item's best ask changed: the ask that was the best one, with its time range, half-open. No row: no ask. Like
-- the states of quotes, those that are over are in the history, and those that hold are in the other table.
CREATE TABLE store.best_ask_history (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, delivery VARCHAR NOT NULL,
    lowest_ask BIGINT NOT NULL, other_price DECIMAL(20, 8), quantity BIGINT,
    valid_from TIMESTAMPTZ NOT NULL, valid_to TIMESTAMPTZ NOT NULL
);
CREATE TABLE store.best_ask_current (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, delivery VARCHAR NOT NULL,
    lowest_ask BIGINT NOT NULL, other_price DECIMAL(20, 8), quantity BIGINT,
    valid_from TIMESTAMPTZ NOT NULL
);

-- The asks that are stale: no basket observes them any more. The state that began at `valid_from` counts up to
-- `lapsed_at`.
CREATE TABLE store.lapsed_quote (
    quote_key BIGINT NOT NULL, item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL,
    delivery VARCHAR NOT NULL, valid_from TIMESTAMPTZ NOT NULL, lapsed_at TIMESTAMPTZ NOT NULL
);

-- The items of which the asks have changed since some time: the transaction that changes them works out their best ask
-- anew from then on. No currency means all of them. After this migration, the writer does so for every item.
CREATE TABLE store.stale_best_ask (item_key INTEGER NOT NULL, currency VARCHAR, since TIMESTAMPTZ NOT NULL);
INSERT INTO store.stale_best_ask SELECT item_key, NULL, '-infinity' FROM store.item;
