-- Names to search and group by, and what was going on by the hour.

-- The family is the name without wear, StatTrak and Souvenir. `base_name` is no family: sources end it at the first
-- `|`, where all skins of a weapon are one. A name says whether it is StatTrak; it does not always say whether it is a
-- souvenir, as in "Souvenir Charm | ...": where the source says so, that counts.
CREATE OR REPLACE VIEW item_names AS
WITH name AS (
    SELECT market_hash_name, phase, bool_and(aggregate) AS aggregate, bool_or(is_souvenir) AS is_souvenir
    FROM store.item
    GROUP BY market_hash_name, phase
), worn AS (
    SELECT *, nullif(regexp_extract(market_hash_name,
        ' \((Factory New|Minimal Wear|Field-Tested|Well-Worn|Battle-Scarred)\)$', 1), '') AS wear,
        left(market_hash_name, length(market_hash_name) - coalesce(length(wear) + 3, 0)) AS unworn
    FROM name
), marked AS (
    SELECT *, contains(market_hash_name, 'StatTrak™') AS stattrak,
        coalesce(is_souvenir, starts_with(market_hash_name, 'Souvenir ') AND wear IS NOT NULL) AS souvenir
    FROM worn
)
SELECT store.item_of(market_hash_name, phase) AS item, market_hash_name, phase,
    CASE WHEN stattrak OR souvenir THEN regexp_replace(unworn, '^(★ )?(StatTrak™ |Souvenir )', '\1')
        ELSE unworn END AS family,
    wear, stattrak, souvenir, aggregate, store.fold(store.item_of(market_hash_name, phase)) AS search_text
FROM marked;

-- `time_bucket` counts hours of UTC; `date_trunc` would count those of the session's time zone.
CREATE OR REPLACE VIEW activity AS
SELECT time_bucket(INTERVAL 1 HOUR, started_at) AS hour, source, count(*) AS runs,
    count(*) FILTER (state <> 'done') AS unfinished, sum(requests)::BIGINT AS requests,
    sum(rows_fetched)::BIGINT AS rows_fetched, sum(rows_changed)::BIGINT AS rows_changed,
    sum(rows_closed)::BIGINT AS rows_closed
FROM store.run
WHERE flow <> 'backfill'
GROUP BY hour, source;
