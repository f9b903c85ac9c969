-- What differs from the last answer, and what of it did not come. In: arrived, page, asked. Out: compared, and of it
-- moved (`fresh`: never seen before; `changed`: by the rule of what a change is; the rest only brings a converted
-- amount, or an address, up to date).

CREATE OR REPLACE TEMP TABLE compared AS
SELECT (d.quote_key >> 20)::INTEGER AS item_key, b.provider_key, b.currency, b.delivery, d.* EXCLUDE (page, was_quantity, was_changed_at),
    p.observed_at, greatest(p.observed_at, d.was_valid_from + INTERVAL 1 MICROSECOND) AS valid_from,
    d.fresh OR is_change(b.currency, d.was_price, d.was_quantity, d.was_changed_at, d.price, d.quantity, d.changed_at)
        AS changed
FROM (
    SELECT coalesce(i.quote_key, c.quote_key) AS quote_key, i.quote_key IS NOT NULL AS brought,
        c.quote_key IS NULL AS fresh, i.lowest_ask, i.other_price, i.quantity, i.changed_at, i.last_updated, i.url, i.page,
        store.price_by(i.other_price, i.lowest_ask) AS price, store.price_by(c.other_price, c.lowest_ask) AS was_price,
        c.quantity AS was_quantity, c.changed_at AS was_changed_at, c.valid_from AS was_valid_from, c.seen_at
    FROM (
        SELECT *, quote_key & 1048575 IN (SELECT book_key FROM store.book WHERE currency <> 'USD') AS converted
        FROM arrived
    ) i
    FULL JOIN (
        SELECT quote_key, lowest_ask, other_price, quantity, changed_at, valid_from, seen_at, url IS NULL AS unaddressed
        FROM store.current
        WHERE quote_key & 1048575 IN (
            SELECT book_key FROM store.book SEMI JOIN asked USING (provider_key, currency, delivery)
        )
    ) c ON c.quote_key = i.quote_key
    WHERE CASE
        WHEN i.quote_key IS NULL THEN c.lowest_ask IS NOT NULL
        WHEN c.quote_key IS NULL THEN true
        ELSE c.lowest_ask IS DISTINCT FROM i.lowest_ask OR c.other_price IS DISTINCT FROM i.other_price
            OR c.quantity IS DISTINCT FROM i.quantity
            OR (i.converted AND coalesce(i.changed_at > c.changed_at, i.changed_at IS NOT NULL))
            OR (c.unaddressed AND i.url IS NOT NULL)
    END
) d
JOIN store.book b ON b.book_key = d.quote_key & 1048575
LEFT JOIN page p USING (page);

CREATE OR REPLACE TEMP VIEW moved AS FROM compared WHERE brought;
