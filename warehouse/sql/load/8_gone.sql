-- What a complete look did not bring. In: asked, compared, incoming, late, reject_key. Out: gone, and `dark` (providers of
-- which too much is gone at once to believe it). Here end arrived and incoming.

CREATE OR REPLACE TEMP TABLE watched AS
SELECT * FROM asked WHERE complete AND provider_key NOT IN (SELECT provider_key FROM down_provider);

CREATE OR REPLACE TEMP TABLE unbrought AS
SELECT c.quote_key, (c.quote_key >> 20)::INTEGER AS item_key, b.provider_key, b.currency, b.delivery,
    c.was_valid_from AS valid_from, c.seen_at
FROM (SELECT quote_key, was_valid_from, seen_at FROM compared WHERE NOT brought) c
JOIN store.book b ON b.book_key = c.quote_key & 1048575
SEMI JOIN watched USING (provider_key, currency, delivery);

CREATE OR REPLACE TEMP TABLE in_scope AS
SELECT u.*, i.aggregate, w.shard, w.observed_from, w.observed_to
FROM unbrought u
JOIN store.item i USING (item_key)
JOIN watched w USING (provider_key, currency, delivery)
WHERE covers(w.selection, i.aggregate)
    OR EXISTS (FROM store.scope_item m WHERE m.item_key = u.item_key AND m.scope_key = w.scope_key);

CREATE OR REPLACE TEMP TABLE other_look AS
SELECT o.scope_key, o.provider_key, s.currency, s.delivery, s.selection, o.observed_to
FROM store.observation o JOIN store.scope s USING (scope_key)
WHERE s.source = getvariable('source') AND o.observed_to > getvariable('observed_from');

CREATE OR REPLACE TEMP TABLE gone AS
SELECT g.quote_key, g.item_key, g.provider_key, g.currency, g.delivery, max(g.observed_to) AS observed_at,
    greatest(max(g.observed_to), max(g.valid_from) + INTERVAL 1 MICROSECOND) AS valid_from
FROM in_scope g
WHERE g.seen_at <= g.observed_from
    AND NOT EXISTS (FROM late b WHERE b.item_key = g.item_key AND b.provider_key = g.provider_key
        AND b.currency = g.currency AND b.delivery = g.delivery)
    AND NOT EXISTS (FROM reject_key r WHERE r.shard = g.shard
        AND (r.item_key IS NULL OR r.item_key = g.item_key)
        AND (r.provider_key IS NULL OR r.provider_key = g.provider_key))
    AND NOT EXISTS (FROM other_look o WHERE covers(o.selection, g.aggregate) AND o.provider_key = g.provider_key AND o.currency = g.currency
        AND o.delivery = g.delivery AND o.observed_to > g.observed_from)
    AND NOT EXISTS (FROM other_look o JOIN store.scope_item m USING (scope_key) WHERE m.item_key = g.item_key
        AND o.provider_key = g.provider_key AND o.currency = g.currency AND o.delivery = g.delivery
        AND o.observed_to > g.observed_from)
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE dark AS
WITH vanished AS (
    SELECT provider_key, currency, delivery, count(*) AS rows FROM gone GROUP BY ALL HAVING count(*) > 100
), held AS (
    SELECT provider_key, currency, delivery, count(DISTINCT item_key) AS rows
    FROM incoming SEMI JOIN vanished USING (provider_key, currency, delivery) GROUP BY ALL
)
SELECT v.provider_key, v.currency, v.delivery, v.rows AS vanished, v.rows + coalesce(h.rows, 0) AS listed
FROM vanished v LEFT JOIN held h USING (provider_key, currency, delivery)
WHERE v.rows > 0.3 * (v.rows + coalesce(h.rows, 0));

DELETE FROM gone g USING dark d
WHERE g.provider_key = d.provider_key AND g.currency = d.currency AND g.delivery = d.delivery;

-- nothing reads them any more, and the facts need the room: no table of a load is larger
DROP VIEW incoming;
DROP TABLE arrived;
