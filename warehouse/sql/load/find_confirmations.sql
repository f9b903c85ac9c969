-- Find the quotes with a row in an observation that is not complete.
-- In: shard_observation, suspect_provider, down_provider, staged_row, late_row, repeated_quote. Out: confirmed_quote.

CREATE OR REPLACE TEMP TABLE confirmed_quote AS
WITH incomplete AS (
    SELECT o.shard, b.provider_key, b.delivery, b.book_key
    FROM shard_observation o
    JOIN store.book b USING (provider_key, currency, delivery)
    WHERE NOT o.complete OR b.book_key IN (SELECT book_key FROM suspect_provider)
        OR o.provider_key IN (FROM down_provider)
)
SELECT quote_key, max(observed_at) AS observed_at
FROM (
    SELECT r.quote_key, i.observed_at
    FROM staged_row r
    JOIN (SELECT page, observed_at, book_key FROM page JOIN incomplete USING (shard)) i
        ON i.page = r.page AND i.book_key = r.quote_key & 1048575
    UNION ALL
    SELECT quote_key, observed_at
    FROM late_row SEMI JOIN repeated_quote USING (quote_key) SEMI JOIN incomplete USING (shard, provider_key, delivery)
)
GROUP BY quote_key;
