-- Write what differs from the current quotes, and what vanished. In: updated_quote, closure.
-- Out: store.history, store.current.

-- The states that end, sorted: sorted keys take less space, and a filter on an item skips the parts of a large load that
-- have other items.
INSERT INTO store.history BY NAME
SELECT c.item_key, c.provider_key, c.currency, c.delivery,
    CASE WHEN c.at_change IS NULL THEN c.lowest_ask ELSE c.at_change.lowest_ask END AS lowest_ask,
    CASE WHEN c.at_change IS NULL THEN c.other_price ELSE c.at_change.other_price END AS other_price, c.quantity,
    CASE WHEN c.at_change IS NULL THEN c.changed_at ELSE c.at_change.changed_at END AS changed_at,
    CASE WHEN c.at_change IS NULL THEN c.last_updated ELSE c.at_change.last_updated END AS last_updated,
    c.valid_from, n.valid_from AS valid_to,
    CASE WHEN c.at_change IS NULL THEN c.run_key ELSE c.at_change.run_key END AS run_key
FROM store.current c
JOIN (
    SELECT quote_key, valid_from FROM updated_quote WHERE changed AND NOT is_new
    UNION ALL
    SELECT quote_key, valid_from FROM closure
) n USING (quote_key)
ORDER BY c.item_key, c.provider_key;

MERGE INTO store.current c
USING (
    SELECT quote_key, lowest_ask, other_price, quantity, changed_at, last_updated, url, valid_from, observed_at,
        observed_at + to_seconds(3 * getvariable('interval_seconds')) AS fresh_until, changed,
        changed OR is_newer_answer AS replaced
    FROM updated_quote WHERE NOT is_new
    UNION ALL
    SELECT quote_key, NULL, NULL, 0, NULL, NULL, NULL, valid_from, NULL, NULL, true, true FROM closure
) u ON c.quote_key = u.quote_key
WHEN MATCHED THEN UPDATE SET
    lowest_ask = u.lowest_ask, other_price = u.other_price, quantity = u.quantity,
    -- A route may give an older timestamp, or none, for an unchanged quote; the newer one must stay, or the next
    -- timestamp would count as a change. A batch gives no URL: the known one stays.
    changed_at = CASE WHEN u.changed THEN u.changed_at WHEN u.replaced THEN greatest(u.changed_at, c.changed_at)
        ELSE c.changed_at END,
    last_updated = CASE WHEN u.replaced THEN u.last_updated ELSE c.last_updated END,
    run_key = CASE WHEN u.replaced THEN getvariable('run_key') ELSE c.run_key END, url = coalesce(u.url, c.url),
    seen_at = greatest(u.observed_at, c.seen_at), fresh_until = greatest(u.fresh_until, c.fresh_until),
    at_change = CASE WHEN u.changed THEN NULL WHEN NOT u.replaced OR c.at_change IS NOT NULL THEN c.at_change
        ELSE struct_pack(c.lowest_ask, c.other_price, c.changed_at, c.last_updated, c.run_key) END,
    valid_from = CASE WHEN u.changed THEN u.valid_from ELSE c.valid_from END;

INSERT INTO store.current BY NAME
SELECT quote_key, item_key, provider_key, currency, delivery, lowest_ask, other_price, quantity, changed_at,
    last_updated, url, valid_from, observed_at AS seen_at, getvariable('run_key') AS run_key,
    observed_at + to_seconds(3 * getvariable('interval_seconds')) AS fresh_until
FROM updated_quote WHERE is_new
ORDER BY item_key, provider_key;
