-- End the filled states that a change of this run ends. In: refill, whose quotes fill_gaps has computed; store.current.
-- Out: store.filled_state.

UPDATE store.filled_state f SET valid_to = c.valid_from
FROM store.current c
WHERE f.valid_to IS NULL AND c.item_key = f.item_key AND c.provider_key = f.provider_key AND c.currency = f.currency
    AND c.delivery = 'standard' AND c.valid_from > f.valid_from
    AND (f.item_key, f.provider_key) NOT IN (FROM refill);
