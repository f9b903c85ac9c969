-- Add the items of the market figures, by the time of the last page. In: catalog_market_stats. Out: more rows in named_item;
-- a row of that very time takes precedence.

INSERT INTO named_item
SELECT c.item_id, c.phase, c.market_hash_name, true, getvariable('observed_to') FROM catalog_market_stats c
ANTI JOIN named_item n ON n.is_current AND n.item_id = c.item_id AND n.phase IS NOT DISTINCT FROM c.phase
    AND n.named_at >= getvariable('observed_to');
