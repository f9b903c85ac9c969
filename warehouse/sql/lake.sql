-- What a lake has besides the tables of the migrations: the history of the months that are sealed, and how its files are
-- sorted. A month has each state of a quote whose time range overlaps it: see warehouse/sealing/months.py.

CREATE TABLE store.sealed_row (
    month VARCHAR NOT NULL,                 -- '/2026-10': before every delivery, like the path of a file
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, delivery VARCHAR NOT NULL,
    lowest_ask BIGINT, other_price DECIMAL(20, 8), quantity BIGINT,
    changed_at TIMESTAMPTZ, last_updated TIMESTAMPTZ, valid_from TIMESTAMPTZ NOT NULL, valid_to TIMESTAMPTZ,
    run_key INTEGER NOT NULL
);

ALTER TABLE store.sealed_row SET PARTITIONED BY (month);
ALTER TABLE store.sealed_row SET SORTED BY (item_key, provider_key, currency, delivery, valid_from);

-- Of these, a question reads the rows of one item, or a load those of one source.
ALTER TABLE store.history SET SORTED BY (item_key, provider_key, valid_from);
ALTER TABLE store.best_ask_history SET SORTED BY (item_key, currency, valid_from);
ALTER TABLE store.current SET SORTED BY (provider_key, item_key);
ALTER TABLE store.point SET SORTED BY (item_key, provider_key, currency, time);
ALTER TABLE store.daily_point SET SORTED BY (item_key, provider_key, currency, day);

CALL market.set_option('parquet_compression', 'zstd');
