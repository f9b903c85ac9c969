-- What the user owns, as the file of holdings says: one row a line of it. `item` is as it is written there.

CREATE TABLE store.holding (
    line INTEGER NOT NULL, item VARCHAR NOT NULL, quantity BIGINT NOT NULL, bought_at VARCHAR,
    price DECIMAL(20, 8), currency VARCHAR NOT NULL, bought_on DATE
);
