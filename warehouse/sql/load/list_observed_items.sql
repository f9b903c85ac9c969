-- List the items that each page returned. In: staged_row, page, shard, store.book, store.scope.
-- Out: observed_item; aggregate_in_catalog, the aggregates of store.catalog_aggregate and those that this run returned.

CREATE OR REPLACE TEMP TABLE observed_item AS
SELECT o.scope_key, r.book_key, p.observed_at, r.item_keys
FROM (
    SELECT page, book_key, list_sort(list(item_key)) AS item_keys
    FROM (
        SELECT page, (quote_key & 1048575)::INTEGER AS book_key, (quote_key >> 20)::INTEGER AS item_key FROM staged_row
    )
    GROUP BY ALL
) r
JOIN page p USING (page)
JOIN store.book b USING (book_key)
JOIN shard_observation o ON o.shard = p.shard AND o.provider_key = b.provider_key AND o.delivery = b.delivery;

CREATE OR REPLACE TEMP TABLE aggregate_in_catalog AS
SELECT scope_key, quote_key, min(since) AS since
FROM (
    FROM store.catalog_aggregate
    UNION ALL
    SELECT o.scope_key, o.item_key::BIGINT << 20 | o.book_key, s.observed_to
    FROM (SELECT scope_key, book_key, unnest(item_keys) AS item_key FROM observed_item) o
    JOIN store.book b USING (book_key)
    JOIN (
        SELECT scope_key, provider_key, max(observed_to) AS observed_to FROM shard_observation
        WHERE selection = 'catalog' GROUP BY ALL HAVING bool_and(complete)
    ) s ON s.scope_key = o.scope_key AND s.provider_key = b.provider_key
    SEMI JOIN (SELECT item_key FROM store.item WHERE source = getvariable('source') AND aggregate) i
        ON i.item_key = o.item_key
)
GROUP BY ALL;
