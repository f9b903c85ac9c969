-- The series of the API's own history: lowest asks every five minutes (points), candles, and sales. Amounts are in
-- minor units. `observed_at` is the server's time of the page: of two observations of a row the later one counts.

CREATE TABLE store.point (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, time TIMESTAMPTZ NOT NULL,
    lowest_ask BIGINT NOT NULL, quantity BIGINT,
    observed_at TIMESTAMPTZ NOT NULL, run_key INTEGER NOT NULL
);

CREATE TABLE store.candle (
    item_key INTEGER NOT NULL, currency VARCHAR NOT NULL, "interval" VARCHAR NOT NULL, time TIMESTAMPTZ NOT NULL,
    open BIGINT, high BIGINT, low BIGINT, close BIGINT, volume BIGINT, quantity BIGINT,
    open_provider VARCHAR, high_provider VARCHAR, low_provider VARCHAR, close_provider VARCHAR,
    observed_at TIMESTAMPTZ NOT NULL, run_key INTEGER NOT NULL
);

-- A sale has no id: sales that are equal in every column are numbered by `occurrence` within one extraction.
CREATE TABLE store.sold (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, time TIMESTAMPTZ NOT NULL,
    amount BIGINT NOT NULL, float_value DOUBLE, paint_seed BIGINT,
    stickers VARCHAR, charms VARCHAR, inspect VARCHAR,
    occurrence INTEGER NOT NULL,
    observed_at TIMESTAMPTZ NOT NULL, run_key INTEGER NOT NULL
);

-- An extraction of sales that continues in another landing: the sale next to the cursor, on its newer or older side.
CREATE TABLE store.sold_seam (
    backfill_id VARCHAR NOT NULL, shard INTEGER NOT NULL, "cursor" VARCHAR NOT NULL, newer BOOLEAN NOT NULL,
    sale STRUCT(item_key INTEGER, provider_key INTEGER, currency VARCHAR, time TIMESTAMPTZ, amount BIGINT,
        float_value DOUBLE, paint_seed BIGINT, stickers VARCHAR, charms VARCHAR, inspect VARCHAR) NOT NULL,
    copies BIGINT NOT NULL
);
