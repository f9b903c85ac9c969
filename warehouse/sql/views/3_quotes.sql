-- Current quotes and their history. Asks and buy orders share their tables: a buy order has the delivery `bid`.

-- The last complete observation of each scope and provider, and the end of its freshness: three intervals of the
-- basket that made it.
CREATE OR REPLACE VIEW store.look AS
SELECT o.scope_key, o.provider_key, s.currency, s.delivery, s.selection, max(o.observed_to) AS observed_to,
    max(o.observed_to + to_seconds(3::BIGINT * r.interval_seconds)) AS fresh_until
FROM store.observation o
JOIN store.scope s USING (scope_key)
JOIN store.run r USING (run_key)
WHERE o.complete
GROUP BY ALL;

-- The last complete observation of a provider's catalog, for items and for aggregates.
CREATE OR REPLACE VIEW store.seen_in_catalog AS
SELECT kind.aggregate, l.provider_key, l.currency, l.delivery, max(l.observed_to) AS observed_to,
    max(l.fresh_until) AS fresh_until
FROM store.look l JOIN (VALUES (false), (true)) kind(aggregate) ON store.covers(l.selection, kind.aggregate)
GROUP BY ALL;

-- The last complete observation of an item by a scope that names it, or of an aggregate by a catalog that returns it.
CREATE OR REPLACE VIEW store.seen_by_name AS
SELECT item_key, provider_key, currency, delivery, max(observed_to) AS observed_to, max(fresh_until) AS fresh_until
FROM (
    SELECT m.item_key, l.* EXCLUDE (scope_key, selection) FROM store.scope_item m JOIN store.look l USING (scope_key)
    UNION ALL BY NAME
    SELECT (a.quote_key >> 20)::INTEGER AS item_key, l.* EXCLUDE (scope_key, selection)
    FROM store.catalog_aggregate a
    JOIN store.book b ON b.book_key = a.quote_key & 1048575
    JOIN store.look l USING (scope_key, provider_key, currency, delivery)
)
GROUP BY ALL;

-- A complete observation confirms what it returned: any quote that it covers, unless store.unconfirmed has it.
CREATE OR REPLACE VIEW store.listed AS
SELECT i.source, p.provider, i.item_id, i.market_hash_name, i.phase, c.currency, c.delivery,
    c.lowest_ask, store.price_by(c.other_price, c.lowest_ask) AS price, c.quantity,
    coalesce(c.changed_at, c.valid_from) AS changed_at, c.last_updated,
    greatest(c.seen_at,
        CASE WHEN u.quote_key IS NULL OR in_catalog.observed_to > u.unconfirmed_at THEN in_catalog.observed_to END,
        CASE WHEN u.quote_key IS NULL OR by_name.observed_to > u.unconfirmed_at THEN by_name.observed_to END
    ) AS observed_at,
    r.run_id, c.url, i.aggregate, c.provider_key,
    greatest(c.fresh_until,
        CASE WHEN u.quote_key IS NULL OR in_catalog.observed_to > u.unconfirmed_at THEN in_catalog.fresh_until END,
        CASE WHEN u.quote_key IS NULL OR by_name.observed_to > u.unconfirmed_at THEN by_name.fresh_until END
    ) AS fresh_until
FROM store.current c
JOIN store.item i USING (item_key)
JOIN store.provider p USING (provider_key)
JOIN store.run r USING (run_key)
LEFT JOIN store.unconfirmed u ON u.quote_key = c.quote_key
LEFT JOIN store.seen_in_catalog in_catalog ON in_catalog.provider_key = c.provider_key
    AND in_catalog.currency = c.currency AND in_catalog.delivery = c.delivery AND in_catalog.aggregate = i.aggregate
LEFT JOIN store.seen_by_name by_name ON by_name.item_key = c.item_key AND by_name.provider_key = c.provider_key
    AND by_name.currency = c.currency AND by_name.delivery = c.delivery
WHERE c.lowest_ask IS NOT NULL;

-- Freshness is relative to the newest observation of the same source: quotes of a removed basket go stale, a source
-- without new runs keeps its last quotes, and the clock of one source has no effect on another one. Quotes of a run
-- without an interval (a replay) are not fresh by themselves.
CREATE OR REPLACE VIEW store.newest AS
SELECT p.provider_key, newest.observed_to
FROM store.provider p LEFT JOIN (
    SELECT s.source, max(o.observed_to) AS observed_to
    FROM store.observation o JOIN store.scope s USING (scope_key)
    GROUP BY s.source
) newest USING (source);

CREATE OR REPLACE VIEW store.dated AS
SELECT store.item_of(l.market_hash_name, l.phase) AS item, l.*,
    coalesce(l.fresh_until >= n.observed_to, false) AS fresh
FROM store.listed l JOIN store.newest n USING (provider_key);

CREATE OR REPLACE VIEW quotes AS
SELECT * EXCLUDE (provider_key, fresh_until) FROM store.dated WHERE delivery <> 'bid';

CREATE OR REPLACE VIEW bids AS
SELECT item, source, provider, item_id, market_hash_name, phase, currency, lowest_ask AS highest_bid, price,
    quantity AS num_bids, changed_at, last_updated, observed_at, run_id, aggregate, fresh
FROM store.dated WHERE delivery = 'bid';

-- Every state with its time range; store.filled_state takes the place of the observed states that a point divides. It
-- includes the item's names, so that a filter on one item reads only the rows of that item. The join that leaves the
-- divided states out is the last one, and gets these rows only.
CREATE OR REPLACE VIEW store.filled AS
SELECT i.source, v.provider, i.item_id, i.market_hash_name, i.phase, i.aggregate, h.* EXCLUDE (other_price, observed),
    store.price_by(h.other_price, h.lowest_ask) AS price
FROM (
    SELECT *, true AS observed FROM store.quote_state
    UNION ALL BY NAME
    SELECT * EXCLUDE (replaces), 'standard' AS delivery, false AS observed FROM store.filled_state
) h
JOIN store.item i ON i.item_key = h.item_key
JOIN store.provider v ON v.provider_key = h.provider_key
ANTI JOIN (SELECT *, 'standard' AS delivery, true AS observed FROM store.filled_state WHERE replaces) f
    ON f.item_key = h.item_key AND f.provider_key = h.provider_key AND f.currency = h.currency
    AND f.delivery = h.delivery AND f.valid_from = h.valid_from AND f.observed = h.observed;

CREATE OR REPLACE VIEW store.changes AS
SELECT store.item_of(h.market_hash_name, h.phase) AS item, h.source, h.provider, h.item_id, h.market_hash_name, h.phase,
    h.currency, h.delivery,
    h.lowest_ask, h.price, h.quantity, coalesce(h.changed_at, h.valid_from) AS changed_at, h.last_updated,
    h.valid_from, h.valid_to, r.flow AS origin, r.run_id, h.aggregate
FROM store.filled h
JOIN store.run r USING (run_key);

CREATE OR REPLACE VIEW quote_history AS FROM store.changes WHERE delivery <> 'bid';

CREATE OR REPLACE VIEW bid_history AS
SELECT item, source, provider, item_id, market_hash_name, phase, currency, lowest_ask AS highest_bid, price,
    quantity AS num_bids, changed_at, last_updated, valid_from, valid_to, origin, run_id, aggregate
FROM store.changes WHERE delivery = 'bid';

-- The quotes listed at `ts` (TIMESTAMPTZ): the states whose time range has `ts`, from one sealed month or from the open one.
CREATE OR REPLACE MACRO quotes_as_of(ts) AS TABLE
SELECT store.item_of(i.market_hash_name, i.phase) AS item, i.source, v.provider, i.item_id, i.market_hash_name, i.phase,
    h.currency, h.delivery,
    h.lowest_ask, store.price_by(h.other_price, h.lowest_ask) AS price, h.quantity,
    coalesce(h.changed_at, h.valid_from) AS changed_at, h.last_updated,
    h.valid_from, r.run_id, i.aggregate
FROM (
    SELECT *, true AS observed FROM store.open_state WHERE store.is_open(ts::TIMESTAMPTZ)
    UNION ALL BY NAME
    SELECT * EXCLUDE (file), true AS observed FROM store.sealed_state WHERE file = store.sealed_file(ts::TIMESTAMPTZ)
    UNION ALL BY NAME
    SELECT * EXCLUDE (replaces), 'standard' AS delivery, false AS observed FROM store.filled_state
) h
JOIN store.item i ON i.item_key = h.item_key
JOIN store.provider v ON v.provider_key = h.provider_key
JOIN store.run r ON r.run_key = h.run_key
ANTI JOIN (SELECT *, 'standard' AS delivery, true AS observed FROM store.filled_state WHERE replaces) f
    ON f.item_key = h.item_key AND f.provider_key = h.provider_key AND f.currency = h.currency
    AND f.delivery = h.delivery AND f.valid_from = h.valid_from AND f.observed = h.observed
WHERE h.valid_from <= ts::TIMESTAMPTZ AND (h.valid_to > ts::TIMESTAMPTZ OR h.valid_to IS NULL)
    AND h.lowest_ask IS NOT NULL AND h.delivery <> 'bid';
