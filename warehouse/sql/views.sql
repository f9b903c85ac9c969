-- The public face: stable names over the facts. Made anew whenever a writer opens the database.

-- The one rule of what a change is. A converted amount moves with FX on every refresh, so there only
-- quantity, a return, or a newer `timestamp` (compared to the second) counts; where the API gives no
-- `timestamp` at all the amount is all there is to go by.
CREATE OR REPLACE MACRO is_change(currency, was_price, was_quantity, was_changed_at, price, quantity, changed_at) AS
    (was_price IS NULL) <> (price IS NULL)
    OR was_quantity <> quantity
    OR CASE
        WHEN currency = 'USD' THEN was_price <> price
        WHEN was_changed_at IS NULL AND changed_at IS NULL THEN was_price <> price
        WHEN was_changed_at IS NULL OR changed_at IS NULL THEN changed_at IS NOT NULL
        ELSE date_trunc('second', changed_at) > date_trunc('second', was_changed_at)
    END;

CREATE OR REPLACE MACRO base_name(market_hash_name) AS split_part(market_hash_name, ' | ', 1);

CREATE OR REPLACE VIEW items AS
SELECT source, item_id, market_hash_name, phase, aggregate, base_name, item_type, item_subtype, weapon_type,
    skin_name, wear_name, collection, rarity_name, is_stattrak, is_souvenir
FROM store.item;

CREATE OR REPLACE VIEW providers AS SELECT * EXCLUDE (provider_key) FROM store.provider;

CREATE OR REPLACE VIEW runs AS
SELECT run_id, flow, source, basket, state, started_at, finished_at, requests, rows_fetched, rows_changed, rows_closed,
    rows_rejected, quota_remaining, incomplete_reason, interval_seconds, unknown_fields, loaded_at
FROM store.run;

CREATE OR REPLACE VIEW observations AS
SELECT r.run_id, s.source, s.currency, s.delivery, s.selection AS scope, p.provider,
    o.observed_from, o.observed_to, o.complete, o.reason, o.rows, o.newest_last_updated
FROM store.observation o
JOIN store.scope s USING (scope_key)
JOIN store.provider p USING (provider_key)
JOIN store.run r USING (run_key);

-- When a key was last looked at by a complete observation: through its catalog, or by being named.
CREATE OR REPLACE VIEW store.seen_in_catalog AS
SELECT o.provider_key, s.currency, s.delivery, max(o.observed_to) AS observed_to
FROM store.observation o JOIN store.scope s USING (scope_key)
WHERE o.complete AND s.selection = 'catalog'
GROUP BY ALL;

CREATE OR REPLACE VIEW store.seen_by_name AS
SELECT m.item_key, seen.provider_key, seen.currency, seen.delivery, max(seen.observed_to) AS observed_to
FROM store.scope_item m
JOIN (
    SELECT o.scope_key, o.provider_key, s.currency, s.delivery, max(o.observed_to) AS observed_to
    FROM store.observation o JOIN store.scope s USING (scope_key)
    WHERE o.complete
    GROUP BY ALL
) seen USING (scope_key)
GROUP BY ALL;

CREATE OR REPLACE VIEW quotes AS
SELECT i.source, p.provider, i.item_id, i.market_hash_name, i.phase, c.currency, c.delivery,
    c.lowest_ask, c.price, c.quantity, coalesce(c.changed_at, c.valid_from) AS changed_at, c.last_updated,
    greatest(c.seen_at, CASE WHEN NOT i.aggregate THEN walked.observed_to END, named.observed_to) AS observed_at,
    r.run_id, c.url, i.aggregate
FROM store.current c
JOIN store.item i USING (item_key)
JOIN store.provider p USING (provider_key)
JOIN store.run r USING (run_key)
LEFT JOIN store.seen_in_catalog walked USING (provider_key, currency, delivery)
LEFT JOIN store.seen_by_name named USING (item_key, provider_key, currency, delivery)
WHERE c.price IS NOT NULL;

CREATE OR REPLACE VIEW quote_history AS
SELECT i.source, p.provider, i.item_id, i.market_hash_name, i.phase, h.currency, h.delivery,
    h.lowest_ask, h.price, h.quantity, coalesce(h.changed_at, h.valid_from) AS changed_at, h.last_updated,
    h.valid_from,
    lead(h.valid_from) OVER (
        PARTITION BY h.item_key, h.provider_key, h.currency, h.delivery ORDER BY h.valid_from
    ) AS valid_to,
    r.flow AS origin, r.run_id, i.aggregate
FROM store.history h
JOIN store.item i USING (item_key)
JOIN store.provider p USING (provider_key)
JOIN store.run r USING (run_key);

-- What was listed at `ts` (TIMESTAMPTZ): each key's newest change at or before it, unless that closed it.
CREATE OR REPLACE MACRO quotes_as_of(ts) AS TABLE
SELECT i.source, p.provider, i.item_id, i.market_hash_name, i.phase, h.currency, h.delivery,
    h.lowest_ask, h.price, h.quantity, coalesce(h.changed_at, h.valid_from) AS changed_at, h.last_updated,
    h.valid_from, r.run_id, i.aggregate
FROM (
    SELECT item_key, provider_key, currency, delivery, unnest(max_by(
        struct_pack(lowest_ask, price, quantity, changed_at, last_updated, valid_from, run_key), valid_from))
    FROM store.history
    WHERE valid_from <= ts::TIMESTAMPTZ
    GROUP BY item_key, provider_key, currency, delivery
) h
JOIN store.item i USING (item_key)
JOIN store.provider p USING (provider_key)
JOIN store.run r USING (run_key)
WHERE h.price IS NOT NULL;

CREATE OR REPLACE VIEW rejects AS
SELECT j.reject_id, r.run_id, r.source, r.basket, j.currency, j.delivery, j.observed_at, j.reason, j.raw, j.replayed_run_id
FROM store.reject j JOIN store.run r USING (run_key);

CREATE OR REPLACE VIEW alerts AS SELECT * FROM store.alert;
