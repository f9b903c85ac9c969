-- Find the marketplaces that may have asks that are stale: those of which a fresh observation of everything lacks a book.
-- In: store. Out: doubtful_provider; fresh_look, the scopes and books of fresh observations.

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

CREATE OR REPLACE TEMP TABLE doubtful_provider AS
SELECT DISTINCT provider_key
FROM store.book JOIN store.provider p USING (provider_key)
WHERE delivery <> 'bid' AND (
    book_key NOT IN (SELECT book_key FROM fresh_look WHERE whole)
    OR book_key IN (SELECT quote_key & 1048575 FROM store.unconfirmed)
    OR p.source IN (SELECT source FROM store.item WHERE aggregate)
);
