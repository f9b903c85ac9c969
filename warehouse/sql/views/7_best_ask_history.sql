-- The best ask of each item over time, which the loads keep: see load/update_best_asks.sql.

-- `ends_at` is `valid_to`, and never null: a comparison with it reaches the storage.
CREATE OR REPLACE VIEW store.best_ask_state AS
SELECT *, valid_to AS ends_at FROM store.best_ask_history
UNION ALL BY NAME
SELECT *, NULL::TIMESTAMPTZ AS valid_to, 'infinity'::TIMESTAMPTZ AS ends_at FROM store.best_ask_current;

CREATE OR REPLACE VIEW store.best_ask_of_item AS
SELECT store.item_of(i.market_hash_name, i.phase) AS item, i.market_hash_name, i.phase, b.currency, i.source,
    p.provider, b.delivery, b.lowest_ask, store.price_by(b.other_price, b.lowest_ask) AS price, b.quantity,
    b.valid_from, b.valid_to, b.ends_at, g.group_key
FROM store.best_ask_state b
JOIN store.item i ON i.item_key = b.item_key
JOIN store.item_group g ON g.item_key = b.item_key
JOIN store.provider p ON p.provider_key = b.provider_key;

CREATE OR REPLACE VIEW best_ask_history AS SELECT * EXCLUDE (ends_at, group_key) FROM store.best_ask_of_item;
