-- The offers of single copies of an item, each with the times of the first and the last answer that had it, as it was in the
-- last one; and the walks through the offers of an item, from the cheapest one up to the price `reach`.

CREATE TABLE store.listing (
    item_key INTEGER NOT NULL, listing_id VARCHAR NOT NULL, first_seen TIMESTAMPTZ NOT NULL, last_seen TIMESTAMPTZ NOT NULL,
    price DECIMAL(20, 8) NOT NULL, "name" VARCHAR, phase VARCHAR, paint_index BIGINT, wear VARCHAR, paint_seed BIGINT,
    fade DOUBLE, hardened VARCHAR, stickers VARCHAR, charm VARCHAR, delivery VARCHAR
);

CREATE TABLE store.listing_walk (
    item_key INTEGER NOT NULL, started_at TIMESTAMPTZ NOT NULL, ended_at TIMESTAMPTZ NOT NULL, "end" VARCHAR NOT NULL,
    total BIGINT NOT NULL, offers BIGINT NOT NULL, reach DECIMAL(20, 8),
    run_key INTEGER NOT NULL
);
