-- Compare the staged rows with the current quotes of the same books.
-- In: staged_row, late_quote, page, shard_observation, store.current.
-- Out: difference, which holds the staged rows that differ from store.current (`is_new`: no current quote; `changed`: a
-- change by the rule of is_change; `is_newer_answer`: only a converted amount or its time is newer; none: only a URL
-- is) and the listed quotes without a staged row (NOT `present`); updated_quote, a view of the staged rows in it.

CREATE OR REPLACE TEMP TABLE difference AS
SELECT (d.quote_key >> 20)::INTEGER AS item_key, b.provider_key, b.currency, b.delivery,
    d.* EXCLUDE (page, was_quantity, was_changed_at),
    p.observed_at, greatest(p.observed_at, d.was_valid_from + INTERVAL 1 MICROSECOND) AS valid_from,
    d.is_new OR store.is_change(b.currency, d.was_price, d.was_quantity, d.was_changed_at, d.price, d.quantity, d.changed_at)
        AS changed
FROM (
    SELECT coalesce(r.quote_key, c.quote_key) AS quote_key, r.quote_key IS NOT NULL AS present,
        c.quote_key IS NULL AS is_new, r.lowest_ask, r.other_price, r.quantity, r.changed_at, r.last_updated, r.url,
        r.page,
        store.price_by(r.other_price, r.lowest_ask) AS price, store.price_by(c.other_price, c.lowest_ask) AS was_price,
        c.quantity AS was_quantity, c.changed_at AS was_changed_at, c.valid_from AS was_valid_from,
        r.converted AND (c.lowest_ask IS DISTINCT FROM r.lowest_ask OR c.other_price IS DISTINCT FROM r.other_price
            OR coalesce(r.changed_at > c.changed_at, r.changed_at IS NOT NULL)) AS is_newer_answer
    FROM (
        SELECT *, quote_key & 1048575 IN (SELECT book_key FROM store.book WHERE currency <> 'USD') AS converted
        FROM staged_row
    ) r
    FULL JOIN (
        SELECT quote_key, lowest_ask, other_price, quantity, changed_at, valid_from, url IS NULL AS lacks_url
        FROM store.current
        -- The files of a lake are sorted by marketplace: this reads those of the run's own ones.
        WHERE provider_key IN (SELECT provider_key FROM shard_observation) AND quote_key & 1048575 IN (
            SELECT book_key FROM store.book SEMI JOIN shard_observation USING (provider_key, currency, delivery)
        ) AND quote_key NOT IN (FROM late_quote)
        -- A feed says nothing of the quotes that it does not name.
        AND (getvariable('flow') <> 'live' OR quote_key IN (SELECT quote_key FROM staged_row))
    ) c ON c.quote_key = r.quote_key
    WHERE CASE
        WHEN r.quote_key IS NULL THEN c.lowest_ask IS NOT NULL
        WHEN c.quote_key IS NULL THEN true
        ELSE c.lowest_ask IS DISTINCT FROM r.lowest_ask OR c.other_price IS DISTINCT FROM r.other_price
            OR c.quantity IS DISTINCT FROM r.quantity
            OR (r.converted AND coalesce(r.changed_at > c.changed_at, r.changed_at IS NOT NULL))
            OR (c.lacks_url AND r.url IS NOT NULL)
    END
) d
JOIN store.book b ON b.book_key = d.quote_key & 1048575
LEFT JOIN page p USING (page);

CREATE OR REPLACE TEMP VIEW updated_quote AS FROM difference WHERE present;
