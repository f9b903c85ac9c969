-- Update the attributes of providers from a catalog that the run fetched. In: catalog_providers. Out: store.provider.
-- Where the source has fees of the account (see update_fees), they stay.

UPDATE store.provider p SET name = c.name, market_type = c.market_type, default_currency = c.default_currency,
    sell_fee = c.sell_fee, insta_sell_fee = CASE WHEN p.buy_fee IS NULL THEN c.insta_sell_fee ELSE p.insta_sell_fee END, trading_spread_fee = c.trading_spread_fee,
    has_buy_orders = c.has_buy_orders, has_recent_sales = c.has_recent_sales, health = c.health,
    refreshed_at = getvariable('started_at')
FROM catalog_providers c
WHERE p.source = getvariable('source') AND p.provider = c.provider
    AND (p.refreshed_at IS NULL OR p.refreshed_at <= getvariable('started_at'));
