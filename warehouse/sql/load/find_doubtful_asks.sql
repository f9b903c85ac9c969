-- Find the asks that may be stale: all but those that a fresh observation of everything, or of the item by its name, keeps
-- fresh. In: doubtful_provider, of which alone the asks are read; fresh_look, store. Out: doubtful_ask, with the columns of
-- store.current.

CREATE OR REPLACE TEMP TABLE doubtful_ask AS
FROM store.current
WHERE provider_key IN (FROM doubtful_provider) AND quote_key IN (
    SELECT quote_key FROM store.current
    WHERE provider_key IN (FROM doubtful_provider) AND ((quote_key & 1048575) NOT IN (
            SELECT book_key FROM fresh_look WHERE whole UNION SELECT book_key FROM store.book WHERE delivery = 'bid'
        ) OR item_key IN (SELECT item_key FROM store.item WHERE aggregate))
        AND quote_key NOT IN (
            SELECT m.item_key::BIGINT << 20 | l.book_key
            FROM fresh_look l JOIN store.scope_item m USING (scope_key) WHERE NOT l.whole
        )
    UNION ALL
    SELECT quote_key FROM store.unconfirmed
) AND delivery <> 'bid' AND lowest_ask IS NOT NULL;
