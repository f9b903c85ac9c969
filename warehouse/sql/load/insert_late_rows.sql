-- Insert the late rows into the history at their time. In: late_change, reverted_change.
-- Out: store.history; store.current gets the time of its newest history row.

INSERT INTO store.history
SELECT item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, changed_at, last_updated,
    greatest(observed_at, was_valid_from + INTERVAL 1 MICROSECOND), getvariable('run_key')
FROM late_change
UNION ALL
SELECT item_key, provider_key, currency, delivery, was_lowest_ask, was_other_price,
    CASE WHEN was_lowest_ask IS NULL THEN 0 ELSE was_quantity END,
    was_changed_at, was_last_updated, next_from, next_run
FROM reverted_change;

-- A later row that repeats the late row is not a change any more.
DELETE FROM store.history WHERE rowid IN (
    SELECT id FROM (
        SELECT h.id, h.valid_from > c.observed_at AND NOT is_change(h.currency,
            lag(h.price) OVER w, lag(h.quantity) OVER w, lag(h.changed_at) OVER w, h.price, h.quantity, h.changed_at
        ) AND lag(h.valid_from) OVER w IS NOT NULL AS repeats
        FROM (SELECT *, rowid AS id, store.price_by(other_price, lowest_ask) AS price FROM store.history) h
        JOIN late_change c ON h.item_key = c.item_key AND h.provider_key = c.provider_key
            AND h.currency = c.currency AND h.delivery = c.delivery
        WINDOW w AS (
            PARTITION BY h.item_key, h.provider_key, h.currency, h.delivery ORDER BY h.valid_from
        )
    ) WHERE repeats
);

UPDATE store.current c SET valid_from = n.valid_from
FROM (
    SELECT h.item_key, h.provider_key, h.currency, h.delivery, max(h.valid_from) AS valid_from
    FROM store.history h JOIN late_change l ON h.item_key = l.item_key AND h.provider_key = l.provider_key
        AND h.currency = l.currency AND h.delivery = l.delivery
    GROUP BY ALL
) n
WHERE c.item_key = n.item_key AND c.provider_key = n.provider_key AND c.currency = n.currency
    AND c.delivery = n.delivery;
