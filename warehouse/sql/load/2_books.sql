-- The books that this run may bring something of get a key. In: shard.

INSERT INTO store.book
SELECT (SELECT coalesce(max(book_key), 0) FROM store.book) + row_number() OVER (), *
FROM (
    SELECT p.provider_key, s.currency, s.delivery
    FROM store.provider p CROSS JOIN (SELECT DISTINCT currency, delivery FROM shard) s
    WHERE p.source = getvariable('source')
)
ANTI JOIN store.book USING (provider_key, currency, delivery);
