-- The closing prices that the API keeps for years: one a marketplace and UTC day. The amount is in minor units. `observed_at` is the
-- server's time of the response: of two observations of a point the later one counts.

CREATE TABLE store.daily_point (
    item_key INTEGER NOT NULL, provider_key INTEGER NOT NULL, currency VARCHAR NOT NULL, day DATE NOT NULL,
    amount BIGINT NOT NULL, quantity BIGINT,
    observed_at TIMESTAMPTZ NOT NULL, run_key INTEGER NOT NULL
);
