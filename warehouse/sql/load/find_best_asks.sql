-- Work out the best ask of some items anew. In: stale_group and the variable batch; ended_state, the states of quotes
-- that are over; filled_state; store. Out: stale_item; was_best, the rows of store.best_ask_history that are worked out
-- anew; new_best, what takes their place.

CREATE OR REPLACE TEMP TABLE stale_item AS
SELECT i.item_key, i.is_one, g.group_key, g.currency, g.since
FROM stale_group g JOIN store.item_group i USING (group_key)
WHERE g.batch = getvariable('batch');

SET VARIABLE stale_since = (SELECT min(since) FROM stale_item);

-- The asks from then on that may be the best one, the best one of each item first: none above one that stands the whole
-- time. filled_state takes the place of the observed states that a point divides. The asks are no table of their
-- own, because most of them leave at once.
CREATE OR REPLACE TEMP TABLE ask AS
WITH standing_ask AS MATERIALIZED (
    FROM (
        SELECT i.group_key, i.since, s.* EXCLUDE (valid_from, valid_to, known_to, observed),
            store.price_by(s.other_price, s.lowest_ask) AS price, greatest(s.valid_from, i.since) AS starts_at,
            coalesce(s.valid_to, l.lapsed_at, s.known_to, 'infinity'::TIMESTAMPTZ) AS ends_at
        FROM stale_item i
        JOIN (
            SELECT item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, valid_from, valid_to,
                NULL::TIMESTAMPTZ AS known_to, true AS observed
            FROM ended_state WHERE valid_to > getvariable('stale_since')
            UNION ALL
            SELECT item_key, provider_key, currency, delivery,
                CASE WHEN at_change IS NULL THEN lowest_ask ELSE at_change.lowest_ask END,
                CASE WHEN at_change IS NULL THEN other_price ELSE at_change.other_price END, quantity, valid_from, NULL,
                NULL, true
            FROM store.current WHERE item_key IN (SELECT item_key FROM stale_item) AND lowest_ask IS NOT NULL
            UNION ALL
            SELECT item_key, provider_key, currency, 'standard', lowest_ask, other_price, quantity, valid_from,
                valid_to, known_to, false
            FROM filled_state WHERE valid_to > getvariable('stale_since') OR valid_to IS NULL
        ) s ON s.item_key = i.item_key AND s.currency = i.currency
        ANTI JOIN (SELECT *, 'standard' AS delivery, true AS observed FROM filled_state WHERE replaces) f
            ON f.item_key = s.item_key AND f.provider_key = s.provider_key AND f.currency = s.currency
            AND f.delivery = s.delivery AND f.valid_from = s.valid_from AND f.observed = s.observed
        LEFT JOIN store.lapsed_quote l ON l.item_key = s.item_key AND l.provider_key = s.provider_key
            AND l.currency = s.currency AND l.delivery = s.delivery
        WHERE i.is_one AND s.delivery <> 'bid' AND s.lowest_ask IS NOT NULL AND s.quantity IS DISTINCT FROM 0
    )
    WHERE starts_at < ends_at AND (lowest_ask > 0 OR price > 0)
)
SELECT a.* EXCLUDE (since), row_number() OVER (PARTITION BY a.group_key, a.currency
    ORDER BY a.price, p.source, p.provider, a.delivery, a.item_key, a.starts_at) AS rank
FROM standing_ask a
JOIN store.provider p ON p.provider_key = a.provider_key
LEFT JOIN (
    SELECT group_key, currency, min(price) AS price FROM standing_ask
    WHERE starts_at = since AND ends_at = 'infinity' GROUP BY group_key, currency
) whole ON whole.group_key = a.group_key AND whole.currency = a.currency
WHERE coalesce(a.price <= whole.price, true);

-- The moments at which an ask begins or ends, numbered for each item.
CREATE OR REPLACE TEMP TABLE moment AS
SELECT *, row_number() OVER (PARTITION BY group_key, currency ORDER BY moment) AS number,
    count(*) OVER (PARTITION BY group_key, currency) AS moments
FROM (
    SELECT group_key, currency, starts_at AS moment FROM ask
    UNION SELECT group_key, currency, ends_at FROM ask WHERE ends_at < 'infinity'
    UNION SELECT group_key, currency, since FROM stale_item
);

-- The best ask at each moment: an ask is compared in the blocks of 32 moments that it lasts through, or else an item's
-- moments would be compared with all of its asks.
CREATE OR REPLACE TEMP TABLE best AS
SELECT m.group_key, m.currency, m.moment, min(a.rank) AS rank
FROM moment m
LEFT JOIN (
    SELECT a.group_key, a.currency, a.rank, s.number AS first, coalesce(e.number, s.moments + 1) AS past,
        unnest(range(first // 32, (past - 1) // 32 + 1)) AS block
    FROM ask a
    JOIN moment s ON s.group_key = a.group_key AND s.currency = a.currency AND s.moment = a.starts_at
    LEFT JOIN moment e ON e.group_key = a.group_key AND e.currency = a.currency AND e.moment = a.ends_at
) a ON a.group_key = m.group_key AND a.currency = m.currency AND a.block = m.number // 32
    AND a.first <= m.number AND m.number < a.past
GROUP BY m.group_key, m.currency, m.moment;

CREATE OR REPLACE TEMP TABLE was_best AS
SELECT h.* FROM store.best_ask_history h
SEMI JOIN stale_item i ON i.item_key = h.item_key AND i.currency = h.currency AND i.since <= h.valid_to
WHERE h.valid_to >= getvariable('stale_since');

-- Where it differs from the one before; the first one may continue the last one of before that time.
CREATE OR REPLACE TEMP TABLE new_best AS
WITH state AS (
    SELECT b.group_key, b.currency, b.moment AS valid_from, a.item_key, a.provider_key, a.delivery, a.lowest_ask,
        a.other_price, a.quantity
    FROM best b LEFT JOIN ask a ON a.group_key = b.group_key AND a.currency = b.currency AND a.rank = b.rank
    UNION ALL BY NAME
    SELECT i.group_key, b.* EXCLUDE (valid_to)
    FROM stale_item i
    JOIN (
        FROM was_best
        UNION ALL BY NAME
        SELECT *, 'infinity'::TIMESTAMPTZ AS valid_to FROM store.best_ask_current
    ) b ON b.item_key = i.item_key AND b.currency = i.currency
    WHERE b.valid_from < i.since AND b.valid_to >= i.since
), change AS (
    FROM state
    WINDOW past AS (PARTITION BY group_key, currency ORDER BY valid_from)
    QUALIFY struct_pack(provider_key, delivery, lowest_ask, other_price, quantity) IS DISTINCT FROM
        lag(struct_pack(provider_key, delivery, lowest_ask, other_price, quantity)) OVER past
)
SELECT * EXCLUDE (group_key), lead(valid_from) OVER (PARTITION BY group_key, currency ORDER BY valid_from) AS valid_to
FROM change;
