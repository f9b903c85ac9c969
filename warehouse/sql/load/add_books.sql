-- Give a key to every book that this run may hold rows of: each known provider with the run's currencies and
-- deliveries. In: shard, store.provider. Out: store.book.

INSERT INTO store.book
SELECT (SELECT coalesce(max(book_key), 0) FROM store.book) + row_number() OVER (), *
FROM (
    SELECT p.provider_key, s.currency, s.delivery
    FROM store.provider p CROSS JOIN (SELECT DISTINCT currency, delivery FROM shard) s
    WHERE p.source = getvariable('source')
)
ANTI JOIN store.book USING (provider_key, currency, delivery);
