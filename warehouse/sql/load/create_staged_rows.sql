-- Create the table of the landed rows. In: page, store.book. Out: staged_row (empty), whose key is
-- (item_key << 20) | book_key, null where an item or provider is new, and whose other_price is as in store.current;
-- staged_quote, a view of the same rows with the parts of their keys; late_row (empty).

CREATE OR REPLACE TEMP TABLE staged_row (
    quote_key BIGINT, lowest_ask BIGINT, other_price DECIMAL(20, 8), quantity BIGINT, changed_at TIMESTAMPTZ,
    last_updated TIMESTAMPTZ, url VARCHAR, page INTEGER
);

CREATE OR REPLACE TEMP VIEW staged_quote AS
SELECT r.quote_key, (r.quote_key >> 20)::INTEGER AS item_key, b.provider_key, b.currency, b.delivery,
    r.lowest_ask, r.other_price, store.price_by(r.other_price, r.lowest_ask) AS price, r.quantity,
    r.changed_at, r.last_updated, r.url, p.observed_at, p.shard
FROM staged_row r
JOIN page p USING (page)
LEFT JOIN store.book b ON b.book_key = r.quote_key & 1048575;

-- For the steps after find_late_rows, which may be skipped.
CREATE OR REPLACE TEMP TABLE late_row AS FROM staged_quote;
