-- The files beside the database with rows of store.observed_items, which moved there when a month was sealed: those that a
-- page returned before the end of `month`, and that no other file has.

CREATE TABLE store.sealed_items (
    month DATE NOT NULL, file VARCHAR NOT NULL, rows BIGINT NOT NULL, bytes BIGINT NOT NULL,
    checksum VARCHAR NOT NULL, sealed_at TIMESTAMPTZ NOT NULL
);
