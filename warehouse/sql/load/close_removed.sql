-- Close the listed quotes that were removed. In: removal, late_quote, store.current. Out: more rows in closure.

INSERT INTO closure
SELECT r.quote_key, r.item_key, r.provider_key, r.currency, r.delivery,
    greatest(r.removed_at, c.valid_from + INTERVAL 1 MICROSECOND)
FROM removal r JOIN store.current c ON c.quote_key = r.quote_key AND c.provider_key = r.provider_key
WHERE c.lowest_ask IS NOT NULL AND r.quote_key NOT IN (FROM late_quote);
