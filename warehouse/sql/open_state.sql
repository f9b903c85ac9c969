-- Every state that a quote had, but for those that ended in a sealed month. Its time range is half-open; `valid_to` is null
-- where the state holds. A closed quote has a state, too: its minor units are null. The loads and the views share this query.

SELECT item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, changed_at, last_updated,
    valid_from, valid_to, run_key
FROM store.history
UNION ALL
-- The state at `valid_from`; store.current has the last answer.
SELECT item_key, provider_key, currency, delivery,
    CASE WHEN at_change IS NULL THEN lowest_ask ELSE at_change.lowest_ask END,
    CASE WHEN at_change IS NULL THEN other_price ELSE at_change.other_price END, quantity,
    CASE WHEN at_change IS NULL THEN changed_at ELSE at_change.changed_at END,
    CASE WHEN at_change IS NULL THEN last_updated ELSE at_change.last_updated END,
    valid_from, NULL, CASE WHEN at_change IS NULL THEN run_key ELSE at_change.run_key END
FROM store.current
