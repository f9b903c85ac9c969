-- Find the listed quotes that a complete observation covers and has no row of.
-- In: complete_observation, difference, reject_key, observed_item, aggregate_in_catalog, store.unconfirmed.
-- Out: missing_quote (`unread`: a rejected row may be its row; `settled`: complete observations have lacked it for a
-- day); missing_count, by book, of the others.

CREATE OR REPLACE TEMP TABLE missing_quote AS
WITH missing AS (
    SELECT d.quote_key, (d.quote_key >> 20)::INTEGER AS item_key, (d.quote_key & 1048575)::INTEGER AS book_key,
        b.provider_key, b.currency, b.delivery, d.was_valid_from AS valid_from
    FROM difference d JOIN store.book b ON b.book_key = d.quote_key & 1048575
    WHERE NOT d.present
), covered AS (
    SELECT m.*, o.observed_to, EXISTS (FROM reject_key r WHERE r.shard = o.shard
        AND (r.item_key IS NULL OR r.item_key = m.item_key)
        AND (r.provider_key IS NULL OR r.provider_key = m.provider_key)) AS unread
    FROM missing m
    JOIN store.item i USING (item_key)
    JOIN complete_observation o USING (provider_key, currency, delivery)
    WHERE store.covers(o.selection, i.aggregate)
        OR EXISTS (FROM store.scope_item s WHERE s.item_key = m.item_key AND s.scope_key = o.scope_key)
        OR EXISTS (FROM aggregate_in_catalog a WHERE a.quote_key = m.quote_key AND a.scope_key = o.scope_key
            AND a.since <= o.observed_from)
), missing_once AS (
    SELECT quote_key, item_key, book_key, provider_key, currency, delivery, valid_from, bool_and(unread) AS unread,
        coalesce(min(observed_to) FILTER (NOT unread), max(observed_to)) AS observed_to, max(observed_to) AS last_to
    FROM covered GROUP BY ALL
)
SELECT m.*, NOT m.unread AND coalesce(
    u.missed_runs >= 2 AND u.missed_since <= m.observed_to - INTERVAL 1 DAY, false) AS settled
FROM missing_once m LEFT JOIN store.unconfirmed u USING (quote_key);

CREATE OR REPLACE TEMP TABLE missing_count AS
SELECT m.book_key, m.missing, coalesce(o.returned, 0) AS returned
FROM (SELECT book_key, count(*) AS missing FROM missing_quote WHERE NOT unread AND NOT settled GROUP BY ALL) m
LEFT JOIN (
    SELECT book_key, sum(len(item_keys))::BIGINT AS returned FROM observed_item GROUP BY ALL
) o USING (book_key);
