-- Current quotes and their history. Asks and buy orders share their tables: a buy order has the delivery `bid`.

-- Only the views that show a run join it: DuckDB estimates that fewer quotes than runs are left, and would look for the
-- quotes of each run.
CREATE OR REPLACE VIEW quotes AS
SELECT item, source, provider, item_id, market_hash_name, phase, currency, delivery, lowest_ask, price, quantity,
    changed_at, last_updated, observed_at, run_id, url, aggregate, fresh
FROM store.dated_quote JOIN (SELECT run_key, run_id FROM store.run) USING (run_key)
WHERE delivery <> 'bid';

CREATE OR REPLACE VIEW bids AS
SELECT item, source, provider, item_id, market_hash_name, phase, currency, lowest_ask AS highest_bid, price,
    quantity AS num_bids, changed_at, last_updated, observed_at, run_id, aggregate, fresh
FROM store.dated_quote JOIN (SELECT run_key, run_id FROM store.run) USING (run_key)
WHERE delivery = 'bid';

-- Every state with its time range; store.filled_state takes the place of the observed states that a point divides. It
-- includes the item's names, so that a filter on one item reads only the rows of that item. The join that leaves the
-- divided states out is the last one, and gets these rows only.
CREATE OR REPLACE VIEW store.filled AS
SELECT i.source, v.provider, i.item_id, i.market_hash_name, i.phase, i.aggregate, h.* EXCLUDE (other_price, observed),
    store.price_by(h.other_price, h.lowest_ask) AS price
FROM (
    SELECT *, true AS observed FROM store.quote_state
    UNION ALL BY NAME
    SELECT * EXCLUDE (replaces, known_to), 'standard' AS delivery, false AS observed FROM store.filled_state
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

-- The states of quote_history that hold at `since` (TIMESTAMPTZ) or began later. The view opens the file of every sealed
-- month, because nothing says that a state which ends in a month is in the file of this month; the macro opens those from
-- `since` on.
CREATE OR REPLACE MACRO quote_history_since(since) AS TABLE
SELECT store.item_of(i.market_hash_name, i.phase) AS item, i.source, v.provider, i.item_id, i.market_hash_name, i.phase,
    h.currency, h.delivery,
    h.lowest_ask, store.price_by(h.other_price, h.lowest_ask) AS price, h.quantity,
    coalesce(h.changed_at, h.valid_from) AS changed_at, h.last_updated,
    h.valid_from, h.valid_to, r.flow AS origin, r.run_id, i.aggregate
FROM (
    SELECT * EXCLUDE (file), true AS observed FROM store.ended_state
    WHERE file >= store.first_file(since::TIMESTAMPTZ) AND valid_to > since::TIMESTAMPTZ
    UNION ALL BY NAME
    SELECT *, true AS observed FROM store.open_state WHERE valid_to IS NULL
    UNION ALL BY NAME
    SELECT * EXCLUDE (replaces, known_to), 'standard' AS delivery, false AS observed FROM store.filled_state
    WHERE valid_to > since::TIMESTAMPTZ OR valid_to IS NULL
) h
JOIN store.item i ON i.item_key = h.item_key
JOIN store.provider v ON v.provider_key = h.provider_key
JOIN store.run r ON r.run_key = h.run_key
ANTI JOIN (SELECT *, 'standard' AS delivery, true AS observed FROM store.filled_state WHERE replaces) f
    ON f.item_key = h.item_key AND f.provider_key = h.provider_key AND f.currency = h.currency
    AND f.delivery = h.delivery AND f.valid_from = h.valid_from AND f.observed = h.observed
WHERE h.delivery <> 'bid';

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
    SELECT * EXCLUDE (replaces, known_to), 'standard' AS delivery, false AS observed FROM store.filled_state
) h
JOIN store.item i ON i.item_key = h.item_key
JOIN store.provider v ON v.provider_key = h.provider_key
JOIN store.run r ON r.run_key = h.run_key
ANTI JOIN (SELECT *, 'standard' AS delivery, true AS observed FROM store.filled_state WHERE replaces) f
    ON f.item_key = h.item_key AND f.provider_key = h.provider_key AND f.currency = h.currency
    AND f.delivery = h.delivery AND f.valid_from = h.valid_from AND f.observed = h.observed
WHERE store.is_kept(ts::TIMESTAMPTZ) AND h.valid_from <= ts::TIMESTAMPTZ
    AND (h.valid_to > ts::TIMESTAMPTZ OR h.valid_to IS NULL)
    AND h.lowest_ask IS NOT NULL AND h.delivery <> 'bid';
