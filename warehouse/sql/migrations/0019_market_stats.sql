-- Figures of each item over all marketplaces, as the API computed them at `observed_at`.

CREATE TABLE store.market_stat (
    item_key INTEGER NOT NULL, observed_at TIMESTAMPTZ NOT NULL, provider_count BIGINT,
    sales_1d BIGINT, sales_7d BIGINT, sales_30d BIGINT, steam_sales_7d BIGINT, steam_sales_30d BIGINT,
    supply BIGINT, liquidity BIGINT, "rank" BIGINT,
    run_key INTEGER NOT NULL
);
