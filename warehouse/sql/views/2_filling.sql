-- What the API's history says of the time in which nobody looked: the changes that `quote_history` has beside
-- store.history. Worked out when read, so that it is right in whatever order looks and points were loaded.

-- The spans in which a scope was looked at, by provider. Where the next look comes within one and a half intervals of
-- its basket nothing is missing between the two; where none does, the hole begins right behind the look.
CREATE OR REPLACE VIEW store.watch AS
WITH look AS (
    SELECT o.scope_key, s.selection, s.currency, o.provider_key, o.observed_from, o.observed_to, o.run_key,
        o.observed_to + to_seconds(coalesce(1.5 * r.interval_seconds, 0)) AS covered_to
    FROM store.observation o
    JOIN store.scope s USING (scope_key)
    JOIN store.run r USING (run_key)
    WHERE o.complete AND s.delivery = 'standard' AND o.provider_key IN (SELECT provider_key FROM store.point)
), first AS (
    SELECT scope_key, selection, currency, provider_key, struct_pack(observed_from, observed_to, run_key) AS first_look,
        max(observed_from) OVER past AS was_last_from, max(observed_from) OVER whole AS last_from,
        max(observed_to) OVER past AS was_last_to, max(observed_to) OVER whole AS last_to,
        max(covered_to) OVER past AS was_covered_to, max(covered_to) OVER whole AS covered_to
    FROM look
    WINDOW whole AS (PARTITION BY scope_key, provider_key),
        past AS (
            PARTITION BY scope_key, provider_key ORDER BY observed_from
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    QUALIFY was_covered_to IS NULL OR was_covered_to < observed_from
)
SELECT scope_key, selection, currency, provider_key, first_look,
    coalesce(lead(was_last_from) OVER spans, last_from) AS last_from,
    coalesce(lead(was_last_to) OVER spans, last_to) AS last_to,
    coalesce(lead(was_covered_to) OVER spans, covered_to) AS covered_to
FROM first
WINDOW spans AS (PARTITION BY scope_key, provider_key ORDER BY first_look);

-- Items with points; those that are looked at through the same scopes go by the least key among them.
CREATE OR REPLACE VIEW store.alike AS
SELECT item_key, aggregate, min(item_key) OVER (PARTITION BY aggregate, scopes) AS peer_key
FROM (
    SELECT i.item_key, i.aggregate, list_sort(list(m.scope_key)) AS scopes
    FROM (SELECT DISTINCT item_key FROM store.point) p
    JOIN store.item i USING (item_key)
    LEFT JOIN store.scope_item m USING (item_key)
    GROUP BY i.item_key, i.aggregate
);

-- The spans that no look covers. The last look before one began at `last_from`; `next_look` ends it.
CREATE OR REPLACE VIEW store.hole AS
WITH peer AS (
    SELECT DISTINCT a.peer_key, a.aggregate, p.provider_key, p.currency
    FROM (SELECT DISTINCT item_key, provider_key, currency FROM store.point) p JOIN store.alike a USING (item_key)
), seen AS (
    SELECT peer_key, provider_key, currency, w.first_look, w.last_from, w.last_to, w.covered_to
    FROM peer p JOIN store.watch w USING (provider_key, currency)
    WHERE covers(w.selection, p.aggregate)
        OR EXISTS (FROM store.scope_item m WHERE m.scope_key = w.scope_key AND m.item_key = p.peer_key)
    UNION ALL
    SELECT peer_key, provider_key, currency, NULL, '-infinity'::TIMESTAMPTZ, '-infinity'::TIMESTAMPTZ,
        '-infinity'::TIMESTAMPTZ
    FROM peer
)
SELECT peer_key, provider_key, currency, max(last_from) OVER past AS last_from, max(last_to) OVER past AS hole_from,
    lead(first_look) OVER later AS next_look
FROM seen
WINDOW later AS (PARTITION BY peer_key, provider_key, currency ORDER BY first_look NULLS FIRST),
    past AS (PARTITION BY peer_key, provider_key, currency ORDER BY first_look NULLS FIRST ROWS UNBOUNDED PRECEDING)
QUALIFY next_look IS NULL OR max(covered_to) OVER past < struct_extract(next_look, 'observed_from');

-- The changes that points tell of in holes, and at the end of a hole the return of what history says, where the look
-- that ended it found nothing else: without it the last point would hide that. A point that came after the last look,
-- while that still covered its key, counts from where the hole begins.
CREATE OR REPLACE VIEW store.filling AS
WITH point AS (
    SELECT i.source, v.provider, i.item_id, i.market_hash_name, i.phase, i.aggregate, a.peer_key, p.*
    FROM store.point p
    JOIN store.item i USING (item_key)
    JOIN store.provider v USING (provider_key)
    JOIN store.alike a USING (item_key)
), lying AS (
    SELECT p.* EXCLUDE (peer_key, observed_at), h.hole_from, h.next_look,
        lag(struct_pack(p.time, p.lowest_ask, p.quantity)) OVER w AS last, lead(p.time) OVER w AS next_time
    FROM point p
    ASOF JOIN store.hole h ON h.peer_key = p.peer_key AND h.provider_key = p.provider_key AND h.currency = p.currency
        AND h.last_from < p.time
    WHERE h.next_look IS NULL OR p.time < h.next_look.observed_from
    WINDOW w AS (
        PARTITION BY p.source, p.provider, p.item_id, p.market_hash_name, p.phase,
            p.item_key, p.provider_key, p.currency, h.hole_from
        ORDER BY p.time)
), event AS (
    SELECT *, CASE WHEN ends THEN next_look.observed_to + INTERVAL 1 SECOND - INTERVAL 1 MICROSECOND
        ELSE greatest(time, hole_from) END AS moment
    FROM (
        SELECT *, unnest(
            CASE WHEN next_time IS NULL AND next_look IS NOT NULL THEN [false, true] ELSE [false] END) AS ends
        FROM lying
    )
    WHERE ends OR next_time IS NULL OR next_time > hole_from
), told AS (
    SELECT e.*, h.valid_from AS was_from, h.lowest_ask AS was_ask,
        store.price_by(h.other_price, h.lowest_ask) AS was_price, h.quantity AS was_quantity,
        h.changed_at AS was_changed_at, h.last_updated AS was_last_updated
    FROM event e
    ASOF LEFT JOIN store.history h ON h.item_key = e.item_key AND h.provider_key = e.provider_key
        AND h.currency = e.currency AND h.delivery = 'standard' AND h.valid_from <= e.moment
)
SELECT source, provider, item_id, market_hash_name, phase, aggregate, item_key, provider_key, currency,
    'standard' AS delivery,
    CASE WHEN ends THEN was_ask ELSE lowest_ask END AS lowest_ask,
    CASE WHEN ends THEN was_price ELSE store.price_of(lowest_ask) END AS price,
    CASE WHEN NOT ends THEN quantity WHEN was_price IS NOT NULL THEN was_quantity ELSE 0 END AS quantity,
    CASE WHEN ends THEN was_changed_at ELSE time END AS changed_at,
    CASE WHEN ends THEN was_last_updated END AS last_updated,
    CASE WHEN ends THEN next_look.observed_from ELSE moment END AS valid_from,
    CASE WHEN ends THEN next_look.run_key ELSE run_key END AS run_key
FROM told
WHERE (was_from IS NULL OR was_from < time)
    AND CASE WHEN ends OR last IS NULL OR time <= hole_from OR was_from >= last.time
        THEN was_ask IS DISTINCT FROM lowest_ask OR was_quantity IS DISTINCT FROM quantity
        ELSE last.lowest_ask IS DISTINCT FROM lowest_ask OR last.quantity IS DISTINCT FROM quantity END;

-- The whole history. Its names come along, so that a question about one item reads no other's.
CREATE OR REPLACE VIEW store.filled AS
SELECT i.source, v.provider, i.item_id, i.market_hash_name, i.phase, i.aggregate, h.* EXCLUDE (other_price),
    store.price_by(h.other_price, h.lowest_ask) AS price
FROM store.history h
JOIN store.item i USING (item_key)
JOIN store.provider v USING (provider_key)
UNION ALL BY NAME
FROM store.filling;
