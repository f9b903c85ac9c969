-- Find the asks that may be stale: all but those that a fresh observation of everything, or of the item by its name, keeps
-- fresh. In: store. Out: doubtful_ask, with the columns of store.current.

CREATE OR REPLACE TEMP TABLE fresh_look AS
WITH newest AS (
    SELECT s.source, max(o.observed_to) AS observed_to
    FROM store.last_observation o JOIN store.scope s USING (scope_key) GROUP BY s.source
)
SELECT DISTINCT s.scope_key, b.book_key, store.covers(s.selection, false) AS whole
FROM store.last_observation o
JOIN store.scope s USING (scope_key)
JOIN newest n ON n.source = s.source
JOIN store.book b ON b.provider_key = o.provider_key AND b.currency = s.currency AND b.delivery = s.delivery
WHERE o.fresh_until >= n.observed_to;

CREATE OR REPLACE TEMP TABLE doubtful_ask AS
FROM store.current
WHERE quote_key IN (
    SELECT quote_key FROM store.current
    WHERE ((quote_key & 1048575) NOT IN (
            SELECT book_key FROM fresh_look WHERE whole UNION SELECT book_key FROM store.book WHERE delivery = 'bid'
        ) OR item_key IN (SELECT item_key FROM store.item WHERE aggregate))
        AND quote_key NOT IN (
            SELECT m.item_key::BIGINT << 20 | l.book_key
            FROM fresh_look l JOIN store.scope_item m USING (scope_key) WHERE NOT l.whole
        )
    UNION ALL
    SELECT quote_key FROM store.unconfirmed
) AND delivery <> 'bid' AND lowest_ask IS NOT NULL;
