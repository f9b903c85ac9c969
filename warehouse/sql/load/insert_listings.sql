-- Store the offers that the walks of the run saw, and the walks. Of an offer that the store has, the times extend, and the
-- later answer says what it is: runs may be loaded in any order. In: catalog_listings, catalog_listing_walks, name_key.
-- Out: store.listing, store.listing_walk.

CREATE OR REPLACE TEMP TABLE seen_listing AS
SELECT DISTINCT ON (n.item_key, c.listing_id) n.item_key, c.* EXCLUDE (item_id, market_hash_name)
FROM catalog_listings c
JOIN name_key n ON n.item_id = c.item_id AND n.phase = '' AND n.market_hash_name = c.market_hash_name
ORDER BY n.item_key, c.listing_id, c.last_seen DESC;

UPDATE store.listing l SET last_seen = s.last_seen, price = s.price, "name" = s."name", phase = s.phase,
    paint_index = s.paint_index, wear = s.wear, paint_seed = s.paint_seed, fade = s.fade, hardened = s.hardened,
    stickers = s.stickers, charm = s.charm, delivery = s.delivery
FROM seen_listing s
WHERE l.item_key = s.item_key AND l.listing_id = s.listing_id AND l.last_seen <= s.last_seen;

UPDATE store.listing l SET first_seen = s.first_seen
FROM seen_listing s
WHERE l.item_key = s.item_key AND l.listing_id = s.listing_id AND l.first_seen > s.first_seen;

INSERT INTO store.listing BY NAME
SELECT * FROM seen_listing s
ANTI JOIN store.listing l ON l.item_key = s.item_key AND l.listing_id = s.listing_id;

INSERT INTO store.listing_walk BY NAME
SELECT DISTINCT n.item_key, c.started_at, c.ended_at, c."end", c.total, c.offers, c.reach, getvariable('run_key') AS run_key
FROM catalog_listing_walks c
JOIN name_key n ON n.item_id = c.item_id AND n.phase = '' AND n.market_hash_name = c.market_hash_name;
