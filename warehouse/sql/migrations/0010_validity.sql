-- A row of the history has its end, so that no query computes the end from other rows: store.history has the states that
-- are over, and store.current the states that are not. The view store.quote_state has both.

ALTER TABLE store.history RENAME TO history_9;
CREATE TABLE store.history (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, delivery VARCHAR NOT NULL,
    lowest_ask BIGINT, other_price DECIMAL(20, 8), quantity BIGINT,
    changed_at TIMESTAMPTZ, last_updated TIMESTAMPTZ, valid_from TIMESTAMPTZ NOT NULL, valid_to TIMESTAMPTZ NOT NULL,
    run_key INTEGER NOT NULL,
    CHECK (lowest_ask IS NOT NULL OR other_price IS NULL)
);
INSERT INTO store.history BY NAME
FROM (
    SELECT *, lead(valid_from) OVER (PARTITION BY item_key, provider_key, currency, delivery ORDER BY valid_from) AS valid_to
    FROM store.history_9
)
WHERE valid_to IS NOT NULL ORDER BY valid_to;

-- The state at `valid_from`, where a later answer of a converted price replaced it without a change.
ALTER TABLE store.current ADD COLUMN at_change STRUCT(
    lowest_ask BIGINT, other_price DECIMAL(20, 8), changed_at TIMESTAMPTZ, last_updated TIMESTAMPTZ, run_key INTEGER
);
UPDATE store.current c
SET at_change = struct_pack(h.lowest_ask, h.other_price, h.changed_at, h.last_updated, h.run_key)
FROM store.history_9 h
WHERE h.item_key = c.item_key AND h.provider_key = c.provider_key AND h.currency = c.currency
    AND h.delivery = c.delivery AND h.valid_from = c.valid_from
    AND (h.run_key <> c.run_key OR h.lowest_ask IS DISTINCT FROM c.lowest_ask OR h.other_price IS DISTINCT FROM c.other_price
        OR h.changed_at IS DISTINCT FROM c.changed_at OR h.last_updated IS DISTINCT FROM c.last_updated);
DROP TABLE store.history_9;

-- How the points of the API's own history fill coverage gaps of `standard` quotes. `replaces`: the row stands in for the
-- observed state of the same `valid_from`, which ends earlier for it.
CREATE TABLE store.filled_state (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL,
    lowest_ask BIGINT, other_price DECIMAL(20, 8), quantity BIGINT,
    changed_at TIMESTAMPTZ, last_updated TIMESTAMPTZ, valid_from TIMESTAMPTZ NOT NULL, valid_to TIMESTAMPTZ,
    run_key INTEGER NOT NULL, replaces BOOLEAN NOT NULL,
    CHECK (lowest_ask IS NOT NULL OR other_price IS NULL)
);

-- The items of which the coverage changed before the transaction of a load: the load computes their gaps anew. After this
-- migration, these are all items with points, of which the writer computes the gaps as soon as the database is migrated.
CREATE TABLE store.stale_filling (item_key INTEGER NOT NULL);
INSERT INTO store.stale_filling SELECT DISTINCT item_key FROM store.point;
