-- Separate what a feed said to be removed: the rows without an ask. In: staged_row, page, store.book.
-- Out: removal; fewer rows in staged_row.

INSERT INTO removal
SELECT r.quote_key, (r.quote_key >> 20)::INTEGER AS item_key, b.provider_key, b.currency, b.delivery, p.observed_at
FROM staged_row r JOIN page p USING (page) JOIN store.book b ON b.book_key = r.quote_key & 1048575
WHERE r.lowest_ask IS NULL;

DELETE FROM staged_row WHERE lowest_ask IS NULL;
