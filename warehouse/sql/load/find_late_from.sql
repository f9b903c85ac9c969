-- Find the time from which the history of the late quotes is computed anew.
-- In: late_quote, repeated_quote, complete_observation, store; the variable landed_runs, the runs with a landing.
-- Out: late_key (the late quotes that are not repeated, with the parts of their keys), known_observation, late_check (the
-- complete observations that count); the variables late_from, rows_from and items_from: no row from before that is needed.

CREATE OR REPLACE TEMP TABLE late_key AS
SELECT q.quote_key, i.item_key, b.*, i.aggregate, i.item_id, i.phase, i.base_name, p.provider
FROM (
    SELECT quote_key, (quote_key >> 20)::INTEGER AS item_key, (quote_key & 1048575)::INTEGER AS book_key
    FROM late_quote ANTI JOIN repeated_quote USING (quote_key)
) q
JOIN store.item i USING (item_key)
JOIN store.book b USING (book_key)
JOIN store.provider p USING (provider_key);

CREATE OR REPLACE TEMP TABLE known_observation AS
SELECT o.run_key, r.run_id, o.scope_key, b.book_key, s.selection, o.observed_from, o.observed_to,
    o.complete, o.complete OR coalesce(o.held, false) AS checks, coalesce(o.held, false) AS held,
    o.held IS NOT NULL AS listed
FROM store.observation o
JOIN store.scope s USING (scope_key)
JOIN store.run r USING (run_key)
JOIN store.book b USING (provider_key, currency, delivery)
WHERE s.source = getvariable('source') AND b.book_key IN (SELECT book_key FROM late_key);

-- A quote that held runs lack may close by a later run: then their observations count, too.
SET VARIABLE late_from = least(getvariable('observed_from'), (
    SELECT min(observed_from) FROM known_observation
    WHERE held AND observed_from > getvariable('observed_from') - INTERVAL 7 DAY
), (
    SELECT min(missed_since) FROM store.unconfirmed SEMI JOIN late_key USING (quote_key)
));

CREATE OR REPLACE TEMP TABLE late_check AS
SELECT run_key, run_id, scope_key, selection, book_key, observed_from, observed_to, held FROM known_observation
WHERE checks AND listed AND observed_to >= getvariable('late_from')
UNION ALL
SELECT getvariable('run_key'), getvariable('run_id'), o.scope_key, o.selection, b.book_key,
    o.observed_from, o.observed_to, false
FROM complete_observation o JOIN store.book b USING (provider_key, currency, delivery)
WHERE b.book_key IN (SELECT book_key FROM late_key);

-- Rows before that time matter to the runs that had started already.
SET VARIABLE rows_from = least(getvariable('late_from'), (SELECT min(observed_from) FROM late_check), (
    SELECT min(observed_from) FROM known_observation SEMI JOIN late_check USING (run_key)
));

-- The verdicts count all rows of these runs, and no page comes before the first observation of its run. Of a converted
-- quote, a landing may have the last row.
SET VARIABLE items_from = least(getvariable('rows_from'), (
    SELECT min(observed_from) FROM store.observation SEMI JOIN late_check USING (run_key)
), (
    SELECT min(o.observed_from) FROM store.observation o JOIN store.run r USING (run_key)
    WHERE list_contains(getvariable('landed_runs'), r.run_id) AND EXISTS (FROM late_key WHERE currency <> 'USD')
));
