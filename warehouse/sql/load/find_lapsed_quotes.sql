-- Find the asks that went stale, or are fresh again, or whose stale state was followed by another one.
-- In: dated_ask, the quotes that may be stale; store. Out: store.lapsed_quote, store.stale_best_ask.

CREATE OR REPLACE TEMP TABLE lapse AS
SELECT quote_key, item_key, provider_key, currency, delivery, n.valid_from, n.lapsed_at, w.lapsed_at AS was_lapsed_at
FROM (
    SELECT quote_key, item_key, provider_key, currency, delivery, valid_from,
        coalesce(fresh_until, observed_at) AS lapsed_at
    FROM dated_ask WHERE NOT fresh
) n
FULL JOIN store.lapsed_quote w USING (quote_key, item_key, provider_key, currency, delivery)
WHERE n.lapsed_at IS DISTINCT FROM w.lapsed_at OR n.valid_from <> w.valid_from;

INSERT INTO store.stale_best_ask
SELECT item_key, currency, min(least(lapsed_at, was_lapsed_at)) FROM lapse GROUP BY item_key, currency;

DELETE FROM store.lapsed_quote WHERE quote_key IN (SELECT quote_key FROM lapse);

INSERT INTO store.lapsed_quote SELECT * EXCLUDE (was_lapsed_at) FROM lapse WHERE lapsed_at IS NOT NULL;
