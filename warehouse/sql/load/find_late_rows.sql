-- Separate the rows that were observed before what the store already holds: they go into the history in their place and
-- leave store.current alone. In: staged_quote, store.observation, store.current, store.history.
-- Out: late_row, which are deleted from staged_row; late_change; reverted_change.

CREATE OR REPLACE TEMP TABLE later_observation AS
SELECT s.selection, o.scope_key, o.provider_key, s.currency, s.delivery,
    o.observed_from, o.observed_to, o.run_key
FROM store.observation o JOIN store.scope s USING (scope_key)
WHERE s.source = getvariable('source') AND o.complete AND o.observed_from > getvariable('observed_from');

CREATE OR REPLACE TEMP TABLE later_of_item AS
SELECT m.item_key, l.* FROM later_observation l JOIN store.scope_item m USING (scope_key);

CREATE OR REPLACE TEMP TABLE later_of_catalog AS
SELECT kind.aggregate, l.* FROM later_observation l
JOIN (VALUES (false), (true)) kind(aggregate) ON covers(l.selection, kind.aggregate);

-- The first observation of each key after the late one: of its catalog, of the item itself, or the one in store.current.
CREATE OR REPLACE TEMP TABLE next_observation AS
SELECT item_key, provider_key, currency, delivery,
    min(next_from) AS next_from, arg_min(next_to, next_from) AS next_to, arg_min(next_run, next_from) AS next_run
FROM (
    SELECT q.item_key, q.provider_key, q.currency, q.delivery,
        l.observed_from AS next_from, l.observed_to AS next_to, l.run_key AS next_run
    FROM (FROM staged_quote JOIN (SELECT item_key, aggregate FROM store.item) USING (item_key)) q
    ASOF JOIN later_of_catalog l ON l.aggregate = q.aggregate AND l.provider_key = q.provider_key
        AND l.currency = q.currency AND l.delivery = q.delivery AND q.observed_at < l.observed_from
    UNION ALL
    SELECT q.item_key, q.provider_key, q.currency, q.delivery, l.observed_from, l.observed_to, l.run_key
    FROM staged_quote q
    ASOF JOIN later_of_item l ON l.item_key = q.item_key AND l.provider_key = q.provider_key
        AND l.currency = q.currency AND l.delivery = q.delivery AND q.observed_at < l.observed_from
    UNION ALL
    SELECT q.item_key, q.provider_key, q.currency, q.delivery, c.seen_at, c.seen_at, c.run_key
    FROM staged_quote q
    JOIN store.current c ON c.item_key = q.item_key AND c.provider_key = q.provider_key
        AND c.currency = q.currency AND c.delivery = q.delivery AND c.seen_at > q.observed_at
)
GROUP BY item_key, provider_key, currency, delivery;

CREATE OR REPLACE TEMP TABLE late_row AS
SELECT q.*, n.next_from, n.next_to, n.next_run
FROM staged_quote q JOIN next_observation n USING (item_key, provider_key, currency, delivery);

DELETE FROM staged_row WHERE quote_key IN (SELECT quote_key FROM late_row);

-- The late rows that differ from the history at their time.
CREATE OR REPLACE TEMP TABLE late_change AS
SELECT l.*, h.other_price AS was_other_price, h.quantity AS was_quantity, h.changed_at AS was_changed_at,
    h.lowest_ask AS was_lowest_ask, h.last_updated AS was_last_updated, h.valid_from AS was_valid_from
FROM late_row l
ASOF LEFT JOIN store.history h ON h.item_key = l.item_key AND h.provider_key = l.provider_key
    AND h.currency = l.currency AND h.delivery = l.delivery AND h.valid_from <= l.observed_at
WHERE h.item_key IS NULL
    OR is_change(l.currency, store.price_by(h.other_price, h.lowest_ask), h.quantity, h.changed_at,
        l.price, l.quantity, l.changed_at);

-- The next observation confirmed the value from before the late row: without a row of its own at that time, the late
-- value would seem to last. Server times are whole seconds, and `valid_from` may be moved past its second: hence one more
-- second.
CREATE OR REPLACE TEMP TABLE reverted_change AS
SELECT c.* FROM late_change c
ANTI JOIN store.history h ON h.item_key = c.item_key AND h.provider_key = c.provider_key
    AND h.currency = c.currency AND h.delivery = c.delivery
    AND h.valid_from > c.observed_at AND h.valid_from < c.next_to + INTERVAL 1 SECOND;
