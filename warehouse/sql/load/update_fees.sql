-- Update the fees of a source's providers that the run fetched. In: catalog_fees. Out: store.provider.

UPDATE store.provider p SET buy_fee = c.buy_fee, insta_sell_fee = c.insta_sell_fee
FROM catalog_fees c
WHERE p.source = getvariable('source') AND p.provider = c.provider
    AND (p.refreshed_at IS NULL OR p.refreshed_at <= getvariable('started_at'));
