-- The offers of single copies. What went is known by whole walks only: the first one after the last sight of an offer shows
-- that it went. A walk that ended at its cap says less: of an offer below the price it reached, that it is not where it was.

CREATE OR REPLACE VIEW listings AS
SELECT store.item_of(i.market_hash_name, l.phase) AS item, i.source, i.item_id, i.market_hash_name, l.phase, l.listing_id,
    l.price, l.delivery, l.wear, l.paint_seed, l.paint_index, l.fade, l.hardened, l.stickers, l.charm, l."name",
    before.ended_at AS not_before, l.first_seen, l.last_seen, gone.ended_at AS gone_at,
    CASE WHEN gone.ended_at IS NOT NULL THEN 'gone'
        WHEN capped.started_at IS NULL OR capped.started_at <= l.last_seen THEN 'listed'
        WHEN l.price < capped.reach THEN 'missing'
        ELSE 'unknown' END AS state
FROM store.listing l
JOIN store.item i USING (item_key)
ASOF LEFT JOIN (SELECT item_key, ended_at FROM store.listing_walk WHERE "end" = 'whole') before
    ON before.item_key = l.item_key AND before.ended_at < l.first_seen
ASOF LEFT JOIN (SELECT item_key, started_at, ended_at FROM store.listing_walk WHERE "end" = 'whole') gone
    ON gone.item_key = l.item_key AND gone.started_at > l.last_seen
LEFT JOIN (
    SELECT item_key, max(started_at) AS started_at, max_by(coalesce(reach, 0), started_at) AS reach
    FROM store.listing_walk WHERE "end" = 'capped' GROUP BY item_key
) capped ON capped.item_key = l.item_key;
