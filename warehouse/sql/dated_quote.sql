-- The quotes that are listed, the end of the last observation that confirms each of them, and whether it is fresh. A
-- complete observation confirms what it returned: any quote that it covers, unless store.unconfirmed has it. The end of
-- a quote's freshness is three intervals of the basket after that. It is relative to the newest observation of the same
-- source: quotes of a removed basket go stale, a source without new runs keeps its last quotes, and the clock of one
-- source has no effect on another one. Quotes of a run without an interval (a replay) are not fresh by themselves.
-- The loads and the views share this query; the loads ask it about some quotes only.

-- The last complete observation of each scope and provider.
WITH look AS (
    SELECT o.scope_key, o.provider_key, s.currency, s.delivery, s.selection, o.complete_to AS observed_to, o.fresh_until
    FROM store.last_observation o JOIN store.scope s USING (scope_key)
    WHERE o.complete_to IS NOT NULL
)
SELECT store.item_of(c.market_hash_name, c.phase) AS item, c.*, coalesce(c.fresh_until >= newest.observed_to, false) AS fresh
FROM (
    SELECT p.source, p.provider, i.item_id, i.market_hash_name, i.phase, c.currency, c.delivery,
        c.lowest_ask, store.price_by(c.other_price, c.lowest_ask) AS price, c.quantity,
        coalesce(c.changed_at, c.valid_from) AS changed_at, c.last_updated,
        greatest(c.seen_at,
            CASE WHEN u.quote_key IS NULL OR in_catalog.observed_to > u.unconfirmed_at THEN in_catalog.observed_to END,
            CASE WHEN u.quote_key IS NULL OR by_name.observed_to > u.unconfirmed_at THEN by_name.observed_to END
        ) AS observed_at,
        c.run_key, c.url, i.aggregate, c.quote_key, c.item_key, c.provider_key, c.valid_from,
        greatest(c.fresh_until,
            CASE WHEN u.quote_key IS NULL OR in_catalog.observed_to > u.unconfirmed_at THEN in_catalog.fresh_until END,
            CASE WHEN u.quote_key IS NULL OR by_name.observed_to > u.unconfirmed_at THEN by_name.fresh_until END
        ) AS fresh_until
    FROM {quotes} c
    JOIN store.item i USING (item_key)
    JOIN store.provider p USING (provider_key)
    LEFT JOIN store.unconfirmed u ON u.quote_key = c.quote_key
    -- A provider's catalog, for items and for aggregates.
    LEFT JOIN (
        SELECT kind.aggregate, l.provider_key, l.currency, l.delivery, max(l.observed_to) AS observed_to,
            max(l.fresh_until) AS fresh_until
        FROM look l JOIN (VALUES (false), (true)) kind(aggregate) ON store.covers(l.selection, kind.aggregate)
        GROUP BY kind.aggregate, l.provider_key, l.currency, l.delivery
    ) in_catalog ON in_catalog.provider_key = c.provider_key AND in_catalog.currency = c.currency
        AND in_catalog.delivery = c.delivery AND in_catalog.aggregate = i.aggregate
    -- A scope that names the item, or a catalog that returns the aggregate.
    LEFT JOIN (
        SELECT item_key, provider_key, currency, delivery, max(observed_to) AS observed_to,
            max(fresh_until) AS fresh_until
        FROM (
            SELECT m.item_key, l.* EXCLUDE (scope_key, selection) FROM store.scope_item m JOIN look l USING (scope_key)
            UNION ALL BY NAME
            SELECT (a.quote_key >> 20)::INTEGER AS item_key, l.* EXCLUDE (scope_key, selection)
            FROM store.catalog_aggregate a
            JOIN store.book b ON b.book_key = a.quote_key & 1048575
            JOIN look l USING (scope_key, provider_key, currency, delivery)
        )
        GROUP BY item_key, provider_key, currency, delivery
    ) by_name ON by_name.item_key = c.item_key AND by_name.provider_key = c.provider_key
        AND by_name.currency = c.currency AND by_name.delivery = c.delivery
    WHERE c.lowest_ask IS NOT NULL
) c
LEFT JOIN (
    SELECT s.source, max(o.observed_to) AS observed_to
    FROM store.last_observation o JOIN store.scope s USING (scope_key)
    GROUP BY s.source
) newest ON newest.source = c.source
