-- Find the quotes that vanished, those that this run confirms by their rows alone, and those that it leaves in doubt.
-- In: missing_quote, missing_count, staged_row, late_row, repeated_quote, shard_observation, down_provider,
-- store.unconfirmed.
-- Out: closure; suspect_provider, of which too many quotes vanished at once; confirmed_quote, the quotes with a row in
-- an observation that is not complete; doubted_quote, the missing quotes that stay listed; reconfirmed_quote, the
-- quotes of store.unconfirmed with a row. Drops staged_row and staged_quote.

CREATE OR REPLACE TEMP TABLE suspect_provider AS
SELECT b.book_key, b.provider_key, b.currency, b.delivery, c.missing AS vanished, c.missing + c.returned AS listed
FROM missing_count c JOIN store.book b USING (book_key)
WHERE c.missing > getvariable('doubt_rows')
    AND c.missing > getvariable('doubt_share') * (c.missing + c.returned);

CREATE OR REPLACE TEMP TABLE closure AS
SELECT quote_key, item_key, provider_key, currency, delivery,
    greatest(observed_to, valid_from + INTERVAL 1 MICROSECOND) AS valid_from
FROM missing_quote
WHERE NOT unread AND (settled OR book_key NOT IN (SELECT book_key FROM suspect_provider));

CREATE OR REPLACE TEMP TABLE doubted_quote AS
SELECT quote_key, unread, observed_to, last_to FROM missing_quote ANTI JOIN closure USING (quote_key);

CREATE OR REPLACE TEMP TABLE reconfirmed_quote AS
SELECT quote_key FROM store.unconfirmed SEMI JOIN staged_row USING (quote_key);

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

-- No later step reads these rows, and the facts need the memory: no table of a load is larger.
DROP VIEW staged_quote;
DROP TABLE staged_row;
