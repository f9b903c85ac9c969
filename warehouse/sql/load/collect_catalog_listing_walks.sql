-- Add the items of the walks, by the time of the walk. In: catalog_listing_walks. Out: more rows in named_item; a row of that
-- very time takes precedence.

INSERT INTO named_item
SELECT c.item_id, NULL AS phase, c.market_hash_name, true, c.ended_at FROM catalog_listing_walks c
ANTI JOIN named_item n ON n.is_current AND n.item_id = c.item_id AND n.phase IS NULL AND n.named_at >= c.ended_at;
