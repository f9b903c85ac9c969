-- Compute anew how the points of the API's own history fill the coverage gaps of some quotes. The result depends on what
-- the store has, and not on the order in which observations and points were loaded.
-- In: refill (item_key, provider_key; no duplicates), store. Out: store.filled_state, store.stale_best_ask.
-- In names, `look` means an observation and `hole` a coverage gap.

-- The points that fill gaps: those in USD, whose minor units are exact. A point in a converted currency is rounded to
-- minor units, which makes a coin's price 0. Older versions stored such points.
CREATE OR REPLACE TEMP TABLE exact_point AS
FROM store.point SEMI JOIN refill USING (item_key, provider_key)
WHERE currency = 'USD' AND store.price_of(lowest_ask) IS NOT NULL;

-- The time ranges in which a scope was observed, by provider. Two observations belong to one range where the second
-- one starts within 1.5 intervals of its basket; else a gap starts right after the first one.
CREATE OR REPLACE TEMP TABLE watch AS
WITH scope_observation AS (
    SELECT o.scope_key, s.selection, s.currency, o.provider_key, o.observed_from, o.observed_to, o.run_key,
        o.observed_to + to_seconds(coalesce(1.5 * r.interval_seconds, 0)) AS covered_to
    FROM store.observation o
    JOIN store.scope s USING (scope_key)
    JOIN store.run r USING (run_key)
    WHERE o.complete AND s.delivery = 'standard'
        AND o.provider_key IN (SELECT provider_key FROM exact_point)
), range_start AS (
    SELECT scope_key, selection, currency, provider_key, struct_pack(observed_from, observed_to, run_key) AS first_look,
        max(observed_from) OVER past AS past_last_from, max(observed_from) OVER total AS last_from,
        max(observed_to) OVER past AS past_last_to, max(observed_to) OVER total AS last_to,
        max(covered_to) OVER past AS past_covered_to, max(covered_to) OVER total AS covered_to
    FROM scope_observation
    WINDOW total AS (PARTITION BY scope_key, provider_key),
        past AS (
            PARTITION BY scope_key, provider_key ORDER BY observed_from
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    QUALIFY past_covered_to IS NULL OR past_covered_to < observed_from
)
SELECT scope_key, selection, currency, provider_key, first_look,
    coalesce(lead(past_last_from) OVER ranges, last_from) AS last_from,
    coalesce(lead(past_last_to) OVER ranges, last_to) AS last_to,
    coalesce(lead(past_covered_to) OVER ranges, covered_to) AS covered_to
FROM range_start
WINDOW ranges AS (PARTITION BY scope_key, provider_key ORDER BY first_look);

-- Items with points. Items of the same scopes have the same coverage: it is computed once, for `peer_key`, the smallest
-- of their keys.
CREATE OR REPLACE TEMP TABLE alike AS
SELECT item_key, aggregate, min(item_key) OVER (PARTITION BY aggregate, scopes) AS peer_key
FROM (
    SELECT i.item_key, i.aggregate, list_sort(list(m.scope_key)) AS scopes
    FROM (SELECT DISTINCT item_key FROM exact_point) p
    JOIN store.item i USING (item_key)
    LEFT JOIN store.scope_item m USING (item_key)
    GROUP BY i.item_key, i.aggregate
);

-- The coverage gaps: time ranges without an observation. The last observation before a gap started at `last_from`;
-- `next_look` is the observation that ends the gap.
CREATE OR REPLACE TEMP TABLE hole AS
WITH peer AS (
    SELECT DISTINCT a.peer_key, a.aggregate, p.provider_key, p.currency
    FROM (SELECT DISTINCT item_key, provider_key, currency FROM exact_point) p
    JOIN alike a USING (item_key)
), observed AS (
    SELECT peer_key, provider_key, currency, w.first_look, w.last_from, w.last_to, w.covered_to
    FROM peer p JOIN watch w USING (provider_key, currency)
    WHERE store.covers(w.selection, p.aggregate)
        OR EXISTS (FROM store.scope_item m WHERE m.scope_key = w.scope_key AND m.item_key = p.peer_key)
    UNION ALL
    SELECT peer_key, provider_key, currency, NULL, '-infinity'::TIMESTAMPTZ, '-infinity'::TIMESTAMPTZ,
        '-infinity'::TIMESTAMPTZ
    FROM peer
)
SELECT peer_key, provider_key, currency, max(last_from) OVER past AS last_from, max(last_to) OVER past AS hole_from,
    lead(first_look) OVER later AS next_look
FROM observed
WINDOW later AS (PARTITION BY peer_key, provider_key, currency ORDER BY first_look NULLS FIRST),
    past AS (PARTITION BY peer_key, provider_key, currency ORDER BY first_look NULLS FIRST ROWS UNBOUNDED PRECEDING)
QUALIFY next_look IS NULL OR max(covered_to) OVER past < struct_extract(next_look, 'observed_from');

-- The changes that points show in gaps. At the end of a gap the observed state is repeated where the
-- observation that ended the gap found no change: else the last point would hide that state. A point after the last
-- observation, but in the time that this observation still covers, counts from the start of the gap.
CREATE OR REPLACE TEMP TABLE filling AS
WITH point AS (
    SELECT p.*, a.peer_key FROM exact_point p JOIN alike a USING (item_key)
), point_in_gap AS (
    SELECT p.* EXCLUDE (peer_key, observed_at), h.hole_from, h.next_look,
        lag(struct_pack(p.time, p.lowest_ask, p.quantity)) OVER w AS last, lead(p.time) OVER w AS next_time
    FROM point p
    ASOF JOIN hole h ON h.peer_key = p.peer_key AND h.provider_key = p.provider_key AND h.currency = p.currency
        AND h.last_from < p.time
    WHERE h.next_look IS NULL OR p.time < h.next_look.observed_from
    WINDOW w AS (PARTITION BY p.item_key, p.provider_key, p.currency, h.hole_from ORDER BY p.time)
), event AS (
    SELECT *, CASE WHEN ends THEN next_look.observed_to + INTERVAL 1 SECOND - INTERVAL 1 MICROSECOND
        ELSE greatest(time, hole_from) END AS effective_at
    FROM (
        SELECT *, unnest(
            CASE WHEN next_time IS NULL AND next_look IS NOT NULL THEN [false, true] ELSE [false] END) AS ends
        FROM point_in_gap
    )
    WHERE ends OR next_time IS NULL OR next_time > hole_from
), event_with_state AS (
    SELECT e.*, h.valid_from AS history_from, h.lowest_ask AS history_ask,
        store.price_by(h.other_price, h.lowest_ask) AS history_price, h.quantity AS history_quantity,
        h.changed_at AS history_changed_at, h.last_updated AS history_last_updated
    FROM event e
    ASOF LEFT JOIN quote_state h ON h.item_key = e.item_key AND h.provider_key = e.provider_key
        AND h.currency = e.currency AND h.delivery = 'standard' AND h.valid_from <= e.effective_at
)
SELECT item_key, provider_key, currency, 'standard' AS delivery,
    CASE WHEN ends THEN history_ask ELSE lowest_ask END AS lowest_ask,
    CASE WHEN ends THEN history_price ELSE store.price_of(lowest_ask) END AS price,
    CASE WHEN NOT ends THEN quantity WHEN history_price IS NOT NULL THEN history_quantity ELSE 0 END AS quantity,
    CASE WHEN ends THEN history_changed_at ELSE time END AS changed_at,
    CASE WHEN ends THEN history_last_updated END AS last_updated,
    CASE WHEN ends THEN next_look.observed_from ELSE effective_at END AS valid_from,
    CASE WHEN ends THEN next_look.run_key ELSE run_key END AS run_key
FROM event_with_state
WHERE (history_from IS NULL OR history_from < time)
    AND CASE WHEN ends OR last IS NULL OR time <= hole_from OR history_from >= last.time
        THEN history_ask IS DISTINCT FROM lowest_ask OR history_quantity IS DISTINCT FROM quantity
        ELSE last.lowest_ask IS DISTINCT FROM lowest_ask OR last.quantity IS DISTINCT FROM quantity END;

-- The filled states, and the observed states that end earlier for them.
CREATE OR REPLACE TEMP TABLE refilled_state AS
WITH state AS (
    SELECT item_key, provider_key, currency, lowest_ask,
        CASE WHEN price IS DISTINCT FROM store.price_of(lowest_ask) THEN price END AS other_price, quantity, changed_at,
        last_updated, valid_from, NULL AS observed_to, run_key, false AS observed
    FROM filling
    UNION ALL BY NAME
    SELECT h.* EXCLUDE (delivery, valid_to), h.valid_to AS observed_to, true AS observed
    FROM quote_state h SEMI JOIN filling USING (item_key, provider_key, currency, delivery)
)
SELECT s.* EXCLUDE (observed_to), lead(s.valid_from) OVER (
        PARTITION BY s.item_key, s.provider_key, s.currency ORDER BY s.valid_from) AS valid_to,
    CASE WHEN valid_to IS NULL AND c.item_key IS NULL THEN p.last_time + INTERVAL 1 DAY END AS known_to
FROM state s
LEFT JOIN (
    SELECT item_key, provider_key, currency, max(time) AS last_time FROM exact_point GROUP BY ALL
) p ON p.item_key = s.item_key AND p.provider_key = s.provider_key AND p.currency = s.currency
-- The quotes that an observation lists.
LEFT JOIN (
    FROM store.current WHERE delivery = 'standard' AND lowest_ask IS NOT NULL AND item_key IN (SELECT item_key FROM refill)
) c ON c.item_key = s.item_key AND c.provider_key = s.provider_key AND c.currency = s.currency
QUALIFY NOT s.observed OR valid_to IS DISTINCT FROM s.observed_to;

INSERT INTO store.stale_best_ask
WITH was AS (
    SELECT item_key, provider_key, currency, lowest_ask, other_price, quantity, valid_from, valid_to, known_to
    FROM store.filled_state SEMI JOIN refill USING (item_key, provider_key)
), filled AS (
    SELECT item_key, provider_key, currency, lowest_ask, other_price, quantity, valid_from, valid_to, known_to
    FROM refilled_state
)
SELECT item_key, currency, min(valid_from)
FROM ((FROM was EXCEPT FROM filled) UNION ALL (FROM filled EXCEPT FROM was))
GROUP BY item_key, currency;

DELETE FROM store.filled_state WHERE (item_key, provider_key) IN (FROM refill);

-- In this order, few row groups hold the rows of one item, and the rows that stand in for others.
INSERT INTO store.filled_state BY NAME
SELECT * RENAME (observed AS replaces) FROM refilled_state
ORDER BY observed, item_key, provider_key, currency, valid_from;
