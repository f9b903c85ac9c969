-- Find the listed quotes in doubt whose last row came before all that was computed anew. In: recomputed_quote, late_key,
-- store.current. Out: recomputed_doubt; the variable items_from, which is not after any of these rows.

CREATE OR REPLACE TEMP TABLE recomputed_doubt AS
SELECT q.quote_key, k.item_key, k.book_key, k.provider_key, c.seen_at
FROM recomputed_quote q JOIN late_key k USING (quote_key) JOIN store.current c USING (quote_key)
WHERE q.unconfirmed_at IS NOT NULL AND q.seen_at IS NULL AND q.lowest_ask IS NOT NULL;

SET VARIABLE items_from = least(getvariable('items_from'), (SELECT min(seen_at) FROM recomputed_doubt));
