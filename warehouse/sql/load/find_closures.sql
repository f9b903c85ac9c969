-- Find the quotes that vanished, and the missing quotes that stay listed.
-- In: missing_quote, suspect_provider. Out: closure; doubted_quote.

CREATE OR REPLACE TEMP TABLE closure AS
SELECT quote_key, item_key, provider_key, currency, delivery,
    greatest(observed_to, valid_from + INTERVAL 1 MICROSECOND) AS valid_from
FROM missing_quote
WHERE NOT unread AND (settled OR book_key NOT IN (SELECT book_key FROM suspect_provider));

CREATE OR REPLACE TEMP TABLE doubted_quote AS
SELECT quote_key, unread, observed_to, last_to FROM missing_quote ANTI JOIN closure USING (quote_key);
