-- Write the history that was computed anew.
-- In: recomputed_quote (the late quotes), recomputed_change (their changes from `late_from` on), recomputed_run (the
-- verdicts on other runs that these change), recomputed_doubt, known_items from items_from on. Out: store.history,
-- store.current, store.unconfirmed, store.observation, store.missing_count, store.run, store.stale_best_ask.

CREATE OR REPLACE TEMP TABLE recomputed_key AS
FROM late_key SEMI JOIN recomputed_quote USING (quote_key);

-- The states from the last change before `late_from` on.
CREATE OR REPLACE TEMP TABLE recomputed_state AS
SELECT k.quote_key, k.item_key, k.provider_key, k.currency, k.delivery, c.lowest_ask,
    CASE WHEN c.price IS DISTINCT FROM store.price_of(c.lowest_ask) THEN c.price END AS other_price,
    c.quantity, make_timestamptz(c.changed_at) AS changed_at, make_timestamptz(c.last_updated) AS last_updated,
    make_timestamptz(c.valid_from) AS valid_from,
    make_timestamptz(lead(c.valid_from) OVER (PARTITION BY c.quote_key ORDER BY c.valid_from)) AS valid_to, c.run_key
FROM (FROM late_base UNION ALL BY NAME FROM recomputed_change) c
JOIN recomputed_key k USING (quote_key);

-- The first change of each item that is another one now, or none.
INSERT INTO store.stale_best_ask
WITH was AS (
    SELECT quote_key, valid_from, lowest_ask, price, quantity FROM late_change
), changed AS (
    SELECT quote_key, valid_from, lowest_ask, price, quantity FROM recomputed_change
)
SELECT k.item_key, k.currency, make_timestamptz(min(d.valid_from))
FROM ((FROM was EXCEPT FROM changed) UNION ALL (FROM changed EXCEPT FROM was)) d JOIN recomputed_key k USING (quote_key)
WHERE k.delivery <> 'bid'
GROUP BY k.item_key, k.currency;

DELETE FROM store.history h USING recomputed_key k
WHERE h.item_key = k.item_key AND h.provider_key = k.provider_key AND h.currency = k.currency
    AND h.delivery = k.delivery AND h.valid_to >= getvariable('late_from');

INSERT INTO store.history BY NAME
SELECT * EXCLUDE (quote_key) FROM recomputed_state WHERE valid_to IS NOT NULL;

-- The end of the complete observation that returned the last row of a quote in doubt, where this row came before all
-- that was computed anew.
CREATE OR REPLACE TEMP TABLE recomputed_confirmation AS
WITH last_row AS (
    SELECT run_key, scope_key, book_key, observed_at AS seen_at, unnest(item_keys) AS item_key
    FROM known_items n SEMI JOIN recomputed_doubt d ON d.book_key = n.book_key AND d.seen_at = n.observed_at
)
SELECT d.quote_key, max(o.observed_to) AS observed_to
FROM recomputed_doubt d
JOIN last_row n USING (book_key, item_key, seen_at)
JOIN store.observation o ON o.run_key = n.run_key AND o.scope_key = n.scope_key AND o.provider_key = d.provider_key
LEFT JOIN recomputed_run v ON v.run_key = o.run_key AND v.book_key = d.book_key
WHERE coalesce(NOT v.held AND (o.complete OR o.held), o.complete)
GROUP BY d.quote_key;

-- The freshness of a quote that is in doubt: by the complete observations up to its last row; see update_confirmations.sql.
CREATE OR REPLACE TEMP TABLE recomputed_freshness AS
SELECT q.quote_key, max(o.observed_to + to_seconds(3 * r.interval_seconds)) AS fresh_until
FROM recomputed_quote q
JOIN recomputed_key k USING (quote_key)
JOIN store.scope s USING (currency, delivery)
JOIN store.observation o USING (scope_key, provider_key)
JOIN (
    SELECT run_key, interval_seconds FROM store.run
    UNION ALL
    SELECT getvariable('run_key'), getvariable('interval_seconds')  -- this run is inserted last
) r ON r.run_key = o.run_key
LEFT JOIN store.current c ON c.quote_key = q.quote_key
LEFT JOIN recomputed_confirmation n ON n.quote_key = q.quote_key
WHERE q.unconfirmed_at IS NOT NULL AND o.complete
    AND o.observed_to <= coalesce(make_timestamptz(q.row_at), greatest(c.seen_at, n.observed_to), getvariable('late_from'))
    AND (store.covers(s.selection, k.aggregate)
        OR EXISTS (FROM store.scope_item m WHERE m.scope_key = s.scope_key AND m.item_key = k.item_key)
        OR EXISTS (FROM store.catalog_aggregate a WHERE a.scope_key = s.scope_key AND a.quote_key = q.quote_key))
GROUP BY q.quote_key;

-- The freshness that observations gave which close nothing now: these are not complete any more.
CREATE OR REPLACE TEMP TABLE withdrawn_freshness AS
SELECT v.book_key, o.observed_to, o.observed_to + to_seconds(3 * r.interval_seconds) AS fresh_until
FROM recomputed_run v
JOIN store.book b USING (book_key)
JOIN store.observation o ON o.run_key = v.run_key AND o.provider_key = b.provider_key AND o.complete
JOIN store.scope s ON s.scope_key = o.scope_key AND s.currency = b.currency AND s.delivery = b.delivery
JOIN store.run r ON r.run_key = o.run_key
WHERE v.held;

CREATE OR REPLACE TEMP TABLE recomputed_answer AS
SELECT quote_key, lowest_ask, CASE WHEN price IS DISTINCT FROM store.price_of(lowest_ask) THEN price END AS other_price,
    make_timestamptz(changed_at) AS changed_at, make_timestamptz(last_updated) AS last_updated, run_key
FROM recomputed_quote;

CREATE OR REPLACE TEMP TABLE recomputed_current AS
SELECT k.quote_key, k.item_key, k.provider_key, k.currency, k.delivery, a.lowest_ask, a.other_price,
    q.quantity, a.changed_at, a.last_updated,
    -- Where the answer differs.
    nullif(struct_pack(s.lowest_ask, s.other_price, s.changed_at, s.last_updated, s.run_key),
        struct_pack(a.lowest_ask, a.other_price, a.changed_at, a.last_updated, a.run_key)) AS at_change,
    coalesce(q.url, c.url) AS url, make_timestamptz(q.valid_from) AS valid_from,
    coalesce(make_timestamptz(q.seen_at), greatest(c.seen_at, n.observed_to), make_timestamptz(q.valid_from))
        AS seen_at,
    q.run_key,
    greatest(make_timestamptz(q.fresh_until), f.fresh_until, CASE WHEN NOT EXISTS (FROM withdrawn_freshness w
        WHERE w.book_key = k.book_key AND w.fresh_until = c.fresh_until) THEN c.fresh_until END) AS fresh_until
FROM recomputed_quote q
JOIN recomputed_answer a USING (quote_key)
JOIN recomputed_state s ON s.quote_key = q.quote_key AND s.valid_to IS NULL
LEFT JOIN recomputed_freshness f USING (quote_key)
LEFT JOIN recomputed_confirmation n USING (quote_key)
JOIN recomputed_key k USING (quote_key)
LEFT JOIN store.current c USING (quote_key)
WHERE q.valid_from IS NOT NULL;

DELETE FROM store.current WHERE quote_key IN (SELECT quote_key FROM recomputed_key);

INSERT INTO store.current BY NAME FROM recomputed_current;

-- A row that repeats what is known of its time changes nothing, but keeps its quote fresh.
UPDATE store.current c SET
    fresh_until = greatest(l.observed_at + to_seconds(3 * getvariable('interval_seconds')), c.fresh_until)
FROM late_row l SEMI JOIN repeated_quote r ON r.quote_key = l.quote_key
WHERE l.quote_key = c.quote_key;

-- A doubt from before the time of the computation stays, where no row came after it.
DELETE FROM store.unconfirmed u USING recomputed_quote q
WHERE q.quote_key = u.quote_key
    AND (q.unconfirmed_at IS NOT NULL OR q.row_at >= epoch_us(u.unconfirmed_at) OR q.lowest_ask IS NULL);

INSERT INTO store.unconfirmed
SELECT quote_key, make_timestamptz(unconfirmed_at), make_timestamptz(missed_since), missed_runs
FROM recomputed_quote WHERE unconfirmed_at IS NOT NULL AND lowest_ask IS NOT NULL;

UPDATE store.observation o SET complete = NOT v.held, held = v.held, reason = CASE WHEN v.held THEN 'provider dark' END
FROM recomputed_run v JOIN store.book b USING (book_key)
JOIN store.scope s ON s.currency = b.currency AND s.delivery = b.delivery
WHERE o.run_key = v.run_key AND o.provider_key = b.provider_key AND o.scope_key = s.scope_key
    AND (o.complete OR o.held) AND o.held <> v.held;

UPDATE store.last_observation l SET complete_to = n.complete_to, fresh_until = n.fresh_until
FROM (
    SELECT o.scope_key, o.provider_key, max(o.observed_to) FILTER (o.complete) AS complete_to,
        max(o.observed_to + to_seconds(3::BIGINT * r.interval_seconds)) FILTER (o.complete) AS fresh_until
    FROM store.observation o
    JOIN (
        SELECT run_key, interval_seconds FROM store.run
        UNION ALL
        SELECT getvariable('run_key'), getvariable('interval_seconds')
    ) r USING (run_key)
    WHERE o.provider_key IN (SELECT b.provider_key FROM recomputed_run v JOIN store.book b USING (book_key))
    GROUP BY o.scope_key, o.provider_key
) n
WHERE n.scope_key = l.scope_key AND n.provider_key = l.provider_key;

DELETE FROM store.missing_count m USING recomputed_run v WHERE m.run_key = v.run_key AND m.book_key = v.book_key;

INSERT INTO store.missing_count SELECT run_key, book_key, missing, returned FROM recomputed_run;

-- An observation that closes nothing now is not complete: it confirms by its rows, one by one.
UPDATE store.current c SET
    seen_at = greatest(n.observed_at, c.seen_at), fresh_until = greatest(n.fresh_until, c.fresh_until)
FROM (
    SELECT item_key::BIGINT << 20 | book_key AS quote_key, max(observed_at) AS observed_at,
        max(observed_at + to_seconds(3 * interval_seconds)) AS fresh_until
    FROM (
        SELECT n.book_key, n.observed_at, r.interval_seconds, unnest(n.item_keys) AS item_key
        FROM known_items n
        SEMI JOIN (FROM recomputed_run WHERE held) v USING (run_key, book_key)
        JOIN store.run r USING (run_key)
    )
    GROUP BY ALL
) n
WHERE n.quote_key = c.quote_key;

-- A change that is another run's now counts there; this run is inserted last, with the number of its own.
UPDATE store.run r SET rows_changed = r.rows_changed + d.changed, rows_closed = r.rows_closed + d.closed
FROM (
    SELECT run_key, sum(changed)::BIGINT AS changed, sum(closed)::BIGINT AS closed
    FROM (
        SELECT run_key, -1 AS changed, -(lowest_ask IS NULL)::INTEGER AS closed
        FROM late_change SEMI JOIN recomputed_quote USING (quote_key)
        UNION ALL
        SELECT run_key, 1, (lowest_ask IS NULL)::INTEGER FROM recomputed_change SEMI JOIN recomputed_quote USING (quote_key)
    )
    GROUP BY run_key
) d
WHERE d.run_key = r.run_key AND (d.changed <> 0 OR d.closed <> 0);
