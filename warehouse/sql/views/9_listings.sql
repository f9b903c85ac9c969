-- The offers of single copies. What went is known by whole walks only: the first one after the last sight of an offer shows
-- that it went. A walk that ended at its cap says less: of an offer below the price it reached, that it is not where it was.
-- An answer without any offer may be an error of the API: such a walk proves nothing before the next whole one is empty, too.
CREATE OR REPLACE VIEW store.judged_walk AS
SELECT w.item_key, w.started_at, w.ended_at, coalesce(w.reach, 0) AS reach,
    w."end" = 'whole' AND (w.offers > 0 OR coalesce(n.offers = 0, false)) AS is_proof
FROM store.listing_walk w
ASOF LEFT JOIN (SELECT item_key, started_at, offers FROM store.listing_walk WHERE "end" = 'whole') n
    ON n.item_key = w.item_key AND n.started_at > w.started_at
WHERE w."end" IN ('whole', 'capped');

CREATE OR REPLACE VIEW listings AS
SELECT store.item_of(i.market_hash_name, l.phase) AS item, i.source, i.item_id, i.market_hash_name, l.phase, l.listing_id,
    l.price, l.delivery, l.wear, l.paint_seed, l.paint_index, l.fade, l.hardened, l.stickers, l.charm, l."name",
    before.ended_at AS not_before, l.first_seen, l.last_seen, gone.ended_at AS gone_at,
    CASE WHEN gone.ended_at IS NOT NULL THEN 'gone'
        WHEN doubtful.started_at IS NULL OR doubtful.started_at <= l.last_seen THEN 'listed'
        WHEN l.price < doubtful.reach THEN 'missing'
        ELSE 'unknown' END AS state
FROM store.listing l
JOIN store.item i USING (item_key)
ASOF LEFT JOIN (SELECT item_key, ended_at FROM store.judged_walk WHERE is_proof) before
    ON before.item_key = l.item_key AND before.ended_at < l.first_seen
ASOF LEFT JOIN (SELECT item_key, started_at, ended_at FROM store.judged_walk WHERE is_proof) gone
    ON gone.item_key = l.item_key AND gone.started_at > l.last_seen
LEFT JOIN (
    SELECT item_key, max(started_at) AS started_at, max_by(reach, started_at) AS reach
    FROM store.judged_walk WHERE NOT is_proof GROUP BY item_key
) doubtful ON doubtful.item_key = l.item_key;
