-- Insert the market figures that the run fetched; figures that the store already holds stay as they are.
-- In: catalog_market_stats, name_key. Out: store.market_stat.

INSERT INTO store.market_stat BY NAME
SELECT DISTINCT ON (n.item_key) n.item_key,
    CASE WHEN c.observed_at > getvariable('latest_timestamp') THEN getvariable('started_at') ELSE c.observed_at END
        AS observed_at,
    c.provider_count, c.sales_1d, c.sales_7d, c.sales_30d, c.steam_sales_7d, c.steam_sales_30d, c.supply, c.liquidity,
    c."rank", getvariable('run_key') AS run_key
FROM catalog_market_stats c
JOIN name_key n ON n.item_id = c.item_id AND n.phase = coalesce(c.phase, '') AND n.market_hash_name = c.market_hash_name
ANTI JOIN store.market_stat k ON k.item_key = n.item_key AND k.observed_at = c.observed_at
ORDER BY ALL;
