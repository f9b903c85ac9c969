-- Find the marketplaces of which too many quotes vanished at once. In: missing_count. Out: suspect_provider.

CREATE OR REPLACE TEMP TABLE suspect_provider AS
SELECT b.book_key, b.provider_key, b.currency, b.delivery, c.missing AS vanished, c.missing + c.returned AS listed
FROM missing_count c JOIN store.book b USING (book_key)
WHERE c.missing > getvariable('doubt_rows')
    AND c.missing > getvariable('doubt_share') * (c.missing + c.returned);
