-- Separate the quotes that this run cannot simply add to: another run observed them later, or their observations depend
-- on each other. warehouse/loading/late.py computes their history anew.
-- In: staged_quote, shard_observation, observed_item, aggregate_in_catalog, known_items from the start of the run on, store.
-- Out: late_quote (their keys); late_row (their rows), which are deleted from staged_row; repeated_quote (those of
-- late_quote that change nothing).

CREATE OR REPLACE TEMP TABLE later_observation AS
SELECT o.scope_key, o.run_key, s.selection, b.book_key, coalesce(o.held, false) AS held, o.complete OR held AS complete
FROM store.observation o
JOIN store.scope s USING (scope_key)
JOIN store.run r USING (run_key)
JOIN store.book b USING (provider_key, currency, delivery)
WHERE s.source = getvariable('source') AND (o.observed_to > getvariable('observed_from')
    OR (o.observed_to = getvariable('observed_from')
        AND (r.started_at, r.run_id) > (getvariable('started_at'), getvariable('run_id'))));

-- With `keep_history`, what runs returned is known from a month before the kept history on. What this run observed before
-- changes nothing where a later run observed the book: that run may have returned the same quotes.
CREATE OR REPLACE TEMP TABLE outdated_book AS
SELECT book_key, provider_key, currency, delivery, k.since - INTERVAL 1 MONTH AS known_from
FROM store.book, store.kept_history k WHERE book_key IN (SELECT book_key FROM later_observation);

DELETE FROM removal r USING outdated_book b
WHERE b.book_key = r.quote_key & 1048575 AND r.removed_at < b.known_from;

DELETE FROM staged_row r USING outdated_book b, page p
WHERE b.book_key = r.quote_key & 1048575 AND p.page = r.page AND p.observed_at < b.known_from;

UPDATE shard_observation o SET complete = false, reason = 'older than the history that is kept'
FROM outdated_book b
WHERE b.provider_key = o.provider_key AND b.currency = o.currency AND b.delivery = o.delivery
    AND o.observed_from < b.known_from;

-- The quotes of this run: with a row, removed, or covered by a complete observation.
CREATE OR REPLACE TEMP TABLE run_quote AS
SELECT quote_key FROM staged_row
UNION
SELECT quote_key FROM removal
UNION
SELECT c.quote_key
FROM store.current c
JOIN store.item i USING (item_key)
JOIN shard_observation o USING (provider_key, currency, delivery)
WHERE o.complete AND (store.covers(o.selection, i.aggregate)
    OR EXISTS (FROM store.scope_item m WHERE m.scope_key = o.scope_key AND m.item_key = c.item_key)
    OR EXISTS (FROM aggregate_in_catalog a WHERE a.scope_key = o.scope_key AND a.quote_key = c.quote_key));

CREATE OR REPLACE TEMP TABLE later_row AS
SELECT DISTINCT unnest(n.item_keys)::BIGINT << 20 | n.book_key AS quote_key
FROM known_items n
SEMI JOIN later_observation l ON l.run_key = n.run_key AND l.book_key = n.book_key
WHERE n.observed_at > getvariable('observed_to');

CREATE OR REPLACE TEMP TABLE later_quote AS
SELECT unnest(n.item_keys)::BIGINT << 20 | n.book_key AS quote_key
FROM known_items n
SEMI JOIN later_observation l ON l.run_key = n.run_key AND l.book_key = n.book_key
WHERE n.observed_at >= getvariable('observed_from')
UNION
SELECT quote_key FROM store.removal WHERE removed_at >= getvariable('observed_from')
UNION
SELECT q.quote_key
FROM (
    SELECT quote_key, (quote_key >> 20)::INTEGER AS item_key, (quote_key & 1048575)::INTEGER AS book_key FROM run_quote
) q
JOIN store.item i USING (item_key)
JOIN (SELECT DISTINCT scope_key, selection, book_key FROM later_observation WHERE complete) l USING (book_key)
WHERE store.covers(l.selection, i.aggregate)
    OR EXISTS (FROM store.scope_item m WHERE m.scope_key = l.scope_key AND m.item_key = q.item_key)
    OR EXISTS (FROM aggregate_in_catalog a WHERE a.scope_key = l.scope_key AND a.quote_key = q.quote_key);

-- The items of an id that had several base names: a row of one closes the others.
CREATE OR REPLACE TEMP TABLE renamed_item AS
SELECT i.item_key FROM store.item i
SEMI JOIN (
    SELECT item_id FROM store.item WHERE source = getvariable('source')
    GROUP BY item_id HAVING count(DISTINCT base_name) > 1
) ids USING (item_id)
WHERE i.source = getvariable('source');

CREATE OR REPLACE TEMP TABLE late_quote AS
FROM run_quote SEMI JOIN later_quote USING (quote_key)
UNION
SELECT quote_key FROM run_quote WHERE quote_key >> 20 IN (SELECT item_key FROM renamed_item)
UNION
SELECT quote_key FROM store.current SEMI JOIN renamed_item USING (item_key)
WHERE provider_key IN (SELECT provider_key FROM store.provider WHERE source = getvariable('source'))
UNION
SELECT quote_key FROM staged_row WHERE getvariable('flow') = 'replay'
UNION
SELECT q.quote_key FROM run_quote q
JOIN store.book b ON b.book_key = q.quote_key & 1048575
JOIN store.acceptance a USING (provider_key)
WHERE a.accepted_at >= getvariable('observed_from')
UNION
SELECT c.quote_key FROM store.current c  -- what an acceptance accepts may have been closed by a later observation
JOIN store.provider p USING (provider_key)
WHERE p.source = getvariable('source') AND p.provider IN (FROM accepted)
    AND c.quote_key & 1048575 IN (SELECT book_key FROM later_observation)
UNION
SELECT u.quote_key FROM store.unconfirmed u
JOIN store.book b ON b.book_key = u.quote_key & 1048575
JOIN store.provider p USING (provider_key)
WHERE p.source = getvariable('source') AND p.provider IN (FROM accepted);

-- Where so many quotes are late that the verdict on a later run may be another one, all quotes of the book are.
CREATE OR REPLACE TEMP TABLE late_book AS
SELECT book_key
FROM (SELECT (quote_key & 1048575)::INTEGER AS book_key, count(*) AS late FROM late_quote GROUP BY ALL)
JOIN (SELECT DISTINCT book_key, run_key FROM later_observation WHERE complete) USING (book_key)
LEFT JOIN store.missing_count m USING (book_key, run_key)
WHERE late + coalesce(m.missing, 0) > getvariable('doubt_rows');

INSERT INTO late_quote
SELECT quote_key
FROM (
    SELECT quote_key FROM store.current  -- the files of a lake are sorted by marketplace
    WHERE provider_key IN (SELECT provider_key FROM store.book SEMI JOIN late_book USING (book_key))
    UNION SELECT quote_key FROM staged_row
)
WHERE quote_key & 1048575 IN (FROM late_book) AND quote_key NOT IN (FROM late_quote);

CREATE OR REPLACE TEMP TABLE late_row AS FROM staged_quote SEMI JOIN late_quote USING (quote_key);

DELETE FROM staged_row WHERE quote_key IN (FROM late_quote);

-- Of a converted price, the quotes whose last answer is a row after all of this run; of a replay, it may be any row.
CREATE OR REPLACE TEMP TABLE later_answer AS
SELECT c.quote_key
FROM (
    SELECT n.run_key, unnest(n.item_keys)::BIGINT << 20 | n.book_key AS quote_key
    FROM known_items n
    SEMI JOIN later_observation l ON l.run_key = n.run_key AND l.book_key = n.book_key
    JOIN store.run r ON r.run_key = n.run_key AND r.flow <> 'replay'
    WHERE n.observed_at > getvariable('observed_to')
        AND n.book_key IN (SELECT book_key FROM store.book WHERE currency <> 'USD')
) n
JOIN store.current c ON c.quote_key = n.quote_key AND c.run_key = n.run_key;

-- Most late rows repeat what the history has for their time, and a later row follows: they change nothing. This holds
-- where no complete observation has lacked the quote since. A converted row changes the last answer where this came
-- before and has another amount, or came after and has the same one; a later change decides for itself.
CREATE OR REPLACE TEMP TABLE repeated_quote AS
SELECT l.quote_key
FROM (
    FROM late_row SEMI JOIN later_row USING (quote_key)
    WHERE getvariable('flow') <> 'replay' AND item_key NOT IN (FROM renamed_item)
        AND quote_key NOT IN (SELECT quote_key FROM store.unconfirmed)
        AND (quote_key & 1048575) NOT IN (SELECT book_key FROM later_observation WHERE held)
) l
JOIN store.current c ON c.quote_key = l.quote_key AND c.provider_key = l.provider_key
ASOF JOIN quote_state h ON h.item_key = l.item_key AND h.provider_key = l.provider_key
    AND h.currency = l.currency AND h.delivery = l.delivery AND h.valid_from <= l.observed_at
WHERE h.lowest_ask IS NOT NULL AND h.valid_from < l.observed_at AND (c.url IS NOT NULL OR l.url IS NULL)
    AND (l.currency = 'USD' OR coalesce(l.changed_at <= h.changed_at, l.changed_at IS NULL) AND (
        c.valid_from > l.observed_at
        OR CASE
            WHEN l.quote_key IN (FROM later_answer) THEN (l.lowest_ask, l.price)
                IS DISTINCT FROM (c.lowest_ask, store.price_by(c.other_price, c.lowest_ask))
            ELSE c.run_key NOT IN (SELECT run_key FROM later_observation) AND (l.lowest_ask, l.price)
                IS NOT DISTINCT FROM (c.lowest_ask, store.price_by(c.other_price, c.lowest_ask))
        END
    ))
    AND NOT store.is_change(l.currency, store.price_by(h.other_price, h.lowest_ask), h.quantity, h.changed_at,
        l.price, l.quantity, l.changed_at)
    AND NOT EXISTS (FROM quote_state n WHERE n.item_key = l.item_key AND n.provider_key = l.provider_key
        AND n.currency = l.currency AND n.delivery = l.delivery
        AND n.lowest_ask IS NULL AND n.valid_from >= getvariable('observed_from'));
