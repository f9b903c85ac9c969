-- Collect all that was observed of the late quotes from the time on from which their history is computed anew.
-- In: late_key, known_observation, late_check, repeated_quote, late_row, shard, shard_observation, observed_item,
-- aggregate_in_catalog, reject_key, renamed_item, accepted, store, where no month is sealed that ended after late_from;
-- known_items from items_from on; the variables of find_late_from.sql.
-- Out: late_base (their last change before that time), and by kind of event late_change (what the store has),
-- late_current, late_sighting, late_coverage, late_unread, late_replacement, late_removal, late_acceptance. Times in
-- microseconds since 1970.

-- The scopes that cover a late quote; of an aggregate in a catalog, from `since` on.
CREATE OR REPLACE TEMP TABLE late_coverage AS
SELECT k.quote_key, c.scope_key, min(CASE WHEN store.covers(c.selection, k.aggregate) OR m.item_key IS NOT NULL THEN 0
    ELSE epoch_us(a.since) END) AS since
FROM late_key k
JOIN (SELECT DISTINCT scope_key, selection, book_key FROM late_check) c USING (book_key)
LEFT JOIN store.scope_item m ON m.scope_key = c.scope_key AND m.item_key = k.item_key
LEFT JOIN aggregate_in_catalog a ON a.scope_key = c.scope_key AND a.quote_key = k.quote_key
WHERE store.covers(c.selection, k.aggregate) OR m.item_key IS NOT NULL OR a.quote_key IS NOT NULL
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE late_history AS
SELECT k.quote_key, epoch_us(h.valid_from) AS valid_from, h.run_key, r.run_id, h.lowest_ask,
    store.price_by(h.other_price, h.lowest_ask) AS price, h.quantity, epoch_us(h.changed_at) AS changed_at,
    epoch_us(h.last_updated) AS last_updated
FROM open_state h
JOIN late_key k ON k.item_key = h.item_key AND k.provider_key = h.provider_key AND k.currency = h.currency
    AND k.delivery = h.delivery
JOIN store.run r USING (run_key)
WHERE h.valid_to IS NULL OR h.valid_to >= getvariable('late_from');

CREATE OR REPLACE TEMP TABLE late_base AS
SELECT quote_key, unnest(max_by(
    struct_pack(valid_from, run_key, lowest_ask, price, quantity, changed_at, last_updated), valid_from))
FROM late_history WHERE valid_from < epoch_us(getvariable('late_from')) GROUP BY quote_key;

CREATE OR REPLACE TEMP TABLE late_change AS
FROM late_history WHERE valid_from >= epoch_us(getvariable('late_from'));

-- The last answer of each quote, which may be newer than its last change.
CREATE OR REPLACE TEMP TABLE late_current AS
SELECT quote_key, epoch_us(valid_from) AS valid_from, run_key, lowest_ask,
    store.price_by(other_price, lowest_ask) AS price, quantity, epoch_us(changed_at) AS changed_at,
    epoch_us(last_updated) AS last_updated
FROM store.current SEMI JOIN late_key USING (quote_key);

CREATE OR REPLACE TEMP TABLE row_of_item AS
SELECT n.run_key, r.run_id, n.scope_key, n.book_key, n.observed_at, unnest(n.item_keys) AS item_key
FROM known_items n JOIN store.run r USING (run_key)
WHERE n.observed_at >= getvariable('rows_from')
    AND (n.book_key IN (SELECT book_key FROM late_key) OR EXISTS (FROM renamed_item))
UNION ALL
SELECT getvariable('run_key'), getvariable('run_id'), scope_key, book_key, observed_at, unnest(item_keys)
FROM observed_item;

-- The last row of a converted quote before these and since its last change: its amount says which of these are new
-- answers. Only a landing on disk has it. Where the last answer came before these, too, this answer says so.
INSERT INTO row_of_item
WITH converted AS (
    SELECT k.quote_key, k.item_key, k.book_key, b.valid_from
    FROM late_key k JOIN late_base b USING (quote_key) LEFT JOIN late_current c USING (quote_key)
    WHERE k.currency <> 'USD' AND b.lowest_ask IS NOT NULL AND (c.valid_from IS DISTINCT FROM b.valid_from
        OR EXISTS (FROM row_of_item r WHERE r.item_key = k.item_key AND r.book_key = k.book_key AND r.run_key = c.run_key))
)
SELECT unnest(max_by(struct_pack(n.run_key, n.run_id, n.scope_key, n.book_key, n.observed_at, n.item_key), n.observed_at))
FROM (
    SELECT n.run_key, r.run_id, n.scope_key, n.book_key, n.observed_at, unnest(n.item_keys) AS item_key
    FROM known_items n
    JOIN store.run r ON r.run_key = n.run_key AND list_contains(getvariable('landed_runs'), r.run_id)
    WHERE n.observed_at < getvariable('rows_from') AND n.book_key IN (SELECT book_key FROM converted)
        AND epoch_us(n.observed_at) > (SELECT min(valid_from) FROM converted)
) n
JOIN converted c ON c.item_key = n.item_key AND c.book_key = n.book_key AND epoch_us(n.observed_at) > c.valid_from
GROUP BY c.quote_key;

CREATE OR REPLACE TEMP TABLE late_sighting AS
SELECT k.quote_key, epoch_us(n.observed_at) AS observed_at, n.run_key, n.run_id,
    epoch_us(CASE WHEN o.complete THEN greatest(o.observed_to, n.observed_at) ELSE n.observed_at END) AS confirmed_to, r.interval_seconds
FROM row_of_item n
JOIN late_key k ON k.item_key = n.item_key AND k.book_key = n.book_key
JOIN known_observation o ON o.run_key = n.run_key AND o.scope_key = n.scope_key AND o.book_key = n.book_key
JOIN store.run r ON r.run_key = n.run_key;

-- What an unread row may be about, by run, selection and book; see find_unread.sql.
CREATE OR REPLACE TEMP TABLE late_unread AS
SELECT j.run_key, j.selection, b.book_key, i.item_key
FROM store.reject j
JOIN (SELECT DISTINCT run_key FROM late_check) c USING (run_key)
JOIN store.book b ON b.currency = j.currency AND list_contains(j.deliveries, b.delivery)
JOIN store.provider p ON p.provider_key = b.provider_key
    AND coalesce(list_contains(j.providers, p.provider), true)
LEFT JOIN store.item i ON i.source = p.source AND (i.item_id = j.item_id OR i.market_hash_name = j.market_hash_name)
WHERE p.source = getvariable('source')
    AND (i.item_key IS NOT NULL OR j.item_id IS NULL OR j.market_hash_name IS NULL)
UNION
SELECT getvariable('run_key'), s.selection, b.book_key, r.item_key
FROM reject_key r
JOIN shard s USING (shard)
JOIN store.book b ON b.currency = s.currency AND b.delivery = s.delivery
    AND (r.provider_key IS NULL OR r.provider_key = b.provider_key);

CREATE OR REPLACE TEMP TABLE late_replacement AS
SELECT DISTINCT k.quote_key, epoch_us(n.observed_at) AS observed_at, n.run_key, n.run_id
FROM late_key k
JOIN store.item i ON i.source = getvariable('source') AND i.item_id = k.item_id AND i.base_name <> k.base_name
JOIN row_of_item n ON n.item_key = i.item_key
WHERE n.observed_at >= getvariable('late_from');

CREATE OR REPLACE TEMP TABLE late_removal AS
SELECT m.quote_key, epoch_us(m.removed_at) AS removed_at, m.run_key, r.run_id
FROM store.removal m SEMI JOIN late_key USING (quote_key) JOIN store.run r USING (run_key)
WHERE m.removed_at >= getvariable('late_from')
UNION ALL
SELECT quote_key, epoch_us(removed_at), getvariable('run_key'), getvariable('run_id')
FROM removal SEMI JOIN late_key USING (quote_key);

CREATE OR REPLACE TEMP TABLE late_acceptance AS
SELECT a.provider_key, epoch_us(a.accepted_at) AS accepted_at, a.run_key, r.run_id
FROM store.acceptance a JOIN store.run r USING (run_key)
WHERE a.accepted_at >= getvariable('late_from')
UNION ALL
SELECT provider_key, epoch_us(getvariable('started_at')), getvariable('run_key'), getvariable('run_id')
FROM accepted JOIN store.provider USING (provider) WHERE source = getvariable('source');

-- The rows of this run, with the time up to which they confirm their quotes.
CREATE OR REPLACE TEMP TABLE late_row_confirmed AS
SELECT l.quote_key, epoch_us(l.observed_at) AS observed_at, l.lowest_ask, l.price, l.quantity,
    epoch_us(l.changed_at) AS changed_at, epoch_us(l.last_updated) AS last_updated, l.url,
    epoch_us(CASE WHEN o.complete AND o.provider_key NOT IN (FROM down_provider)
        THEN greatest(o.observed_to, l.observed_at) ELSE l.observed_at END) AS confirmed_to
FROM (FROM late_row ANTI JOIN repeated_quote USING (quote_key)) l
JOIN (
    SELECT shard, provider_key, currency, delivery, bool_and(complete) FILTER (decides) OVER scope AS complete,
        max(observed_to) FILTER (decides) OVER scope AS observed_to
    FROM shard_observation WINDOW scope AS (PARTITION BY scope_key, provider_key)
) o USING (shard, provider_key, currency, delivery);
