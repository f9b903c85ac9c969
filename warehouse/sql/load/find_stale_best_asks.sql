-- Find the groups of items of which the best ask is worked out anew, and divide them into batches of about a million
-- states. In: store.stale_best_ask, of which what changed before the variable readable_from waits; ended_state, filled_state, store.
-- Out: stale_group; the variables stale_since and batches.

CREATE OR REPLACE TEMP TABLE stale_group AS
SELECT g.group_key, c.currency, min(s.since) AS since
FROM store.stale_best_ask s
JOIN store.item_group g USING (item_key)
JOIN (SELECT currency FROM store.book UNION SELECT currency FROM filled_state) c
    ON coalesce(c.currency = s.currency, true)
WHERE s.since >= getvariable('readable_from')
GROUP BY g.group_key, c.currency;

SET VARIABLE stale_since = (SELECT min(since) FROM stale_group);

SET VARIABLE batches = (
    SELECT greatest(ceil((SELECT count(*) FROM ended_state WHERE valid_to > getvariable('stale_since'))
        * count(DISTINCT group_key) / (SELECT greatest(count(DISTINCT group_key), 1) FROM store.item_group) / 1000000),
        1)::INTEGER
    FROM stale_group
);

CREATE OR REPLACE TEMP TABLE stale_group AS
SELECT *, (dense_rank() OVER (ORDER BY group_key) - 1) * getvariable('batches')
    // (SELECT count(DISTINCT group_key) FROM stale_group) AS batch
FROM stale_group;
