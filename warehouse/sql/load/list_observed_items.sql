-- List the items that each page returned, in lists of at most 512 keys: DuckDB reads 2,048 lists at once, and those of a
-- whole marketplace would take more memory than a load has. In: staged_row, page, shard, store.book, store.scope.
-- Out: observed_item; aggregate_in_catalog, the aggregates of store.catalog_aggregate and those that this run returned.

CREATE OR REPLACE TEMP TABLE observed_item AS
SELECT o.scope_key, r.book_key, p.observed_at, r.item_keys
FROM (
    SELECT page, book_key, list_sort(list(item_key)) AS item_keys
    FROM (
        SELECT page, (quote_key & 1048575)::INTEGER AS book_key, (quote_key >> 20)::INTEGER AS item_key FROM staged_row
    )
    GROUP BY page, book_key, item_key // 512
) r
JOIN page p USING (page)
JOIN store.book b USING (book_key)
JOIN shard_observation o ON o.shard = p.shard AND o.provider_key = b.provider_key AND o.delivery = b.delivery;

CREATE OR REPLACE TEMP TABLE aggregate_in_catalog AS
WITH aggregate_row AS MATERIALIZED (
    SELECT page, quote_key FROM staged_row
    WHERE quote_key >> 20 IN (SELECT item_key FROM store.item WHERE source = getvariable('source') AND aggregate)
)
SELECT scope_key, quote_key, min(since) AS since
FROM (
    FROM store.catalog_aggregate
    UNION ALL
    SELECT o.scope_key, r.quote_key, s.observed_to
    FROM aggregate_row r
    JOIN page p USING (page)
    JOIN store.book b ON b.book_key = r.quote_key & 1048575
    JOIN shard_observation o ON o.shard = p.shard AND o.provider_key = b.provider_key AND o.delivery = b.delivery
    JOIN (
        SELECT scope_key, provider_key, max(observed_to) AS observed_to FROM shard_observation
        WHERE selection = 'catalog' AND decides GROUP BY ALL HAVING bool_and(complete)
    ) s ON s.scope_key = o.scope_key AND s.provider_key = o.provider_key
)
GROUP BY ALL;
