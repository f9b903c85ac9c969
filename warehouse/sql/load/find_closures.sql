-- Find the quotes that vanished: a complete observation covers them and has no row of them.
-- In: shard_observation, difference, staged_quote, late_row, reject_key, down_provider.
-- Out: closure; suspect_provider, of which too many quotes vanished at once. Drops staged_row and staged_quote.

CREATE OR REPLACE TEMP TABLE complete_observation AS
SELECT * FROM shard_observation WHERE complete AND provider_key NOT IN (SELECT provider_key FROM down_provider);

CREATE OR REPLACE TEMP TABLE missing_quote AS
SELECT d.quote_key, (d.quote_key >> 20)::INTEGER AS item_key, b.provider_key, b.currency, b.delivery,
    d.was_valid_from AS valid_from, d.seen_at
FROM (SELECT quote_key, was_valid_from, seen_at FROM difference WHERE NOT present) d
JOIN store.book b ON b.book_key = d.quote_key & 1048575
SEMI JOIN complete_observation USING (provider_key, currency, delivery);

CREATE OR REPLACE TEMP TABLE missing_in_scope AS
SELECT m.*, i.aggregate, o.shard, o.observed_from, o.observed_to
FROM missing_quote m
JOIN store.item i USING (item_key)
JOIN complete_observation o USING (provider_key, currency, delivery)
WHERE covers(o.selection, i.aggregate)
    OR EXISTS (FROM store.scope_item s WHERE s.item_key = m.item_key AND s.scope_key = o.scope_key);

CREATE OR REPLACE TEMP TABLE other_observation AS
SELECT o.scope_key, o.provider_key, s.currency, s.delivery, s.selection, o.observed_to
FROM store.observation o JOIN store.scope s USING (scope_key)
WHERE s.source = getvariable('source') AND o.observed_to > getvariable('observed_from');

CREATE OR REPLACE TEMP TABLE closure AS
SELECT m.quote_key, m.item_key, m.provider_key, m.currency, m.delivery, max(m.observed_to) AS observed_at,
    greatest(max(m.observed_to), max(m.valid_from) + INTERVAL 1 MICROSECOND) AS valid_from
FROM missing_in_scope m
WHERE m.seen_at <= m.observed_from
    AND NOT EXISTS (FROM late_row l WHERE l.item_key = m.item_key AND l.provider_key = m.provider_key
        AND l.currency = m.currency AND l.delivery = m.delivery)
    AND NOT EXISTS (FROM reject_key r WHERE r.shard = m.shard
        AND (r.item_key IS NULL OR r.item_key = m.item_key)
        AND (r.provider_key IS NULL OR r.provider_key = m.provider_key))
    AND NOT EXISTS (FROM other_observation o WHERE covers(o.selection, m.aggregate)
        AND o.provider_key = m.provider_key AND o.currency = m.currency AND o.delivery = m.delivery
        AND o.observed_to > m.observed_from)
    AND NOT EXISTS (FROM other_observation o JOIN store.scope_item s USING (scope_key) WHERE s.item_key = m.item_key
        AND o.provider_key = m.provider_key AND o.currency = m.currency AND o.delivery = m.delivery
        AND o.observed_to > m.observed_from)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE suspect_provider AS
WITH vanished AS (
    SELECT provider_key, currency, delivery, count(*) AS rows FROM closure GROUP BY ALL HAVING count(*) > 100
), remaining AS (
    SELECT provider_key, currency, delivery, count(DISTINCT item_key) AS rows
    FROM staged_quote SEMI JOIN vanished USING (provider_key, currency, delivery) GROUP BY ALL
)
SELECT v.provider_key, v.currency, v.delivery, v.rows AS vanished, v.rows + coalesce(r.rows, 0) AS listed
FROM vanished v LEFT JOIN remaining r USING (provider_key, currency, delivery)
WHERE v.rows > 0.3 * (v.rows + coalesce(r.rows, 0));

DELETE FROM closure c USING suspect_provider s
WHERE c.provider_key = s.provider_key AND c.currency = s.currency AND c.delivery = s.delivery;

-- No later step reads these rows, and the facts need the memory: no table of a load is larger.
DROP VIEW staged_quote;
DROP TABLE staged_row;
