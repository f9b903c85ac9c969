-- Rows observed before what is already loaded: they go to history in their place and leave `current` alone.
-- In: incoming. Out: late (its rows have left arrived, and so incoming), late_change, stood_again.

CREATE OR REPLACE TEMP TABLE later_look AS
SELECT s.selection, o.scope_key, o.provider_key, s.currency, s.delivery,
    o.observed_from, o.observed_to, o.run_key
FROM store.observation o JOIN store.scope s USING (scope_key)
WHERE s.source = getvariable('source') AND o.complete AND o.observed_from > getvariable('observed_from');

CREATE OR REPLACE TEMP TABLE later_named AS
SELECT m.item_key, l.* FROM later_look l JOIN store.scope_item m USING (scope_key);

CREATE OR REPLACE TEMP TABLE later_whole AS
SELECT kind.aggregate, l.* FROM later_look l JOIN (VALUES (false), (true)) kind(aggregate) ON covers(l.selection, kind.aggregate);

-- the first look at each key after the late one: through its catalog, by name, or as it stands in current
CREATE OR REPLACE TEMP TABLE next_look AS
SELECT item_key, provider_key, currency, delivery,
    min(next_from) AS next_from, arg_min(next_to, next_from) AS next_to, arg_min(next_run, next_from) AS next_run
FROM (
    SELECT i.item_key, i.provider_key, i.currency, i.delivery,
        l.observed_from AS next_from, l.observed_to AS next_to, l.run_key AS next_run
    FROM (FROM incoming JOIN (SELECT item_key, aggregate FROM store.item) USING (item_key)) i
    ASOF JOIN later_whole l ON l.aggregate = i.aggregate AND l.provider_key = i.provider_key
        AND l.currency = i.currency AND l.delivery = i.delivery AND i.observed_at < l.observed_from
    UNION ALL
    SELECT i.item_key, i.provider_key, i.currency, i.delivery, l.observed_from, l.observed_to, l.run_key
    FROM incoming i
    ASOF JOIN later_named l ON l.item_key = i.item_key AND l.provider_key = i.provider_key
        AND l.currency = i.currency AND l.delivery = i.delivery AND i.observed_at < l.observed_from
    UNION ALL
    SELECT i.item_key, i.provider_key, i.currency, i.delivery, c.seen_at, c.seen_at, c.run_key
    FROM incoming i
    JOIN store.current c ON c.item_key = i.item_key AND c.provider_key = i.provider_key
        AND c.currency = i.currency AND c.delivery = i.delivery AND c.seen_at > i.observed_at
)
GROUP BY item_key, provider_key, currency, delivery;

CREATE OR REPLACE TEMP TABLE late AS
SELECT i.*, n.next_from, n.next_to, n.next_run
FROM incoming i JOIN next_look n USING (item_key, provider_key, currency, delivery);

DELETE FROM arrived WHERE quote_key IN (SELECT quote_key FROM late);

-- what history says of each late key at that moment
CREATE OR REPLACE TEMP TABLE late_change AS
SELECT l.*, h.other_price AS was_other_price, h.quantity AS was_quantity, h.changed_at AS was_changed_at,
    h.lowest_ask AS was_lowest_ask, h.last_updated AS was_last_updated, h.valid_from AS was_valid_from
FROM late l
ASOF LEFT JOIN store.history h ON h.item_key = l.item_key AND h.provider_key = l.provider_key
    AND h.currency = l.currency AND h.delivery = l.delivery AND h.valid_from <= l.observed_at
WHERE h.item_key IS NULL
    OR is_change(l.currency, store.price_by(h.other_price, h.lowest_ask), h.quantity, h.changed_at,
        l.price, l.quantity, l.changed_at);

-- the next look found what stood before: without a row of its own there, the late row would hide that.
-- Servers tell whole seconds, and a clamped row lies behind its second: hence the second more.
CREATE OR REPLACE TEMP TABLE stood_again AS
SELECT c.* FROM late_change c
ANTI JOIN store.history h ON h.item_key = c.item_key AND h.provider_key = c.provider_key
    AND h.currency = c.currency AND h.delivery = c.delivery
    AND h.valid_from > c.observed_at AND h.valid_from < c.next_to + INTERVAL 1 SECOND;
