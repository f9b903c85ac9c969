-- The series of the API's own history. No point at a time does not mean that nothing was listed.

-- The exact price of a series' amount: the API's base is USD cents; an amount in another currency was converted and
-- rounded to minor units, so that its exact price is unknown.
CREATE OR REPLACE MACRO store.exact_price(currency, minor_units) AS
    CASE WHEN currency = 'USD' THEN store.price_of(minor_units) END;

CREATE OR REPLACE VIEW price_points AS
SELECT store.item_of(i.market_hash_name, i.phase) AS item, i.source, v.provider, i.item_id,
    i.market_hash_name, i.phase, p.currency, p.time,
    p.lowest_ask, store.exact_price(p.currency, p.lowest_ask) AS price, p.quantity, r.run_id
FROM store.point p
JOIN store.item i USING (item_key)
JOIN store.provider v USING (provider_key)
JOIN store.run r USING (run_key);

CREATE OR REPLACE VIEW candles AS
SELECT store.item_of(i.market_hash_name, i.phase) AS item, i.source, i.item_id, i.market_hash_name,
    i.phase, c.currency, c."interval", c.time,
    c.open, c.high, c.low, c.close,
    store.exact_price(c.currency, c.open) AS open_price, store.exact_price(c.currency, c.high) AS high_price,
    store.exact_price(c.currency, c.low) AS low_price, store.exact_price(c.currency, c.close) AS close_price,
    c.volume, c.quantity,
    c.open_provider, c.high_provider, c.low_provider, c.close_provider, r.run_id
FROM store.candle c
JOIN store.item i USING (item_key)
JOIN store.run r USING (run_key);

CREATE OR REPLACE VIEW daily_points AS
SELECT store.item_of(i.market_hash_name, i.phase) AS item, i.source, v.provider, i.item_id,
    i.market_hash_name, i.phase, d.currency, d.day,
    d.amount, store.exact_price(d.currency, d.amount) AS price, d.quantity, r.run_id
FROM store.daily_point d
JOIN store.item i USING (item_key)
JOIN store.provider v USING (provider_key)
JOIN store.run r USING (run_key);

-- The daily points that stand for an ask of their day where nothing finer is known: those that `best_ask` would count.
CREATE OR REPLACE VIEW store.daily_ask AS
SELECT store.item_of(i.market_hash_name, i.phase) AS item, i.market_hash_name, i.phase, d.currency, i.source, d.provider_key,
    g.group_key, d.day, store.exact_price(d.currency, d.amount) AS price
FROM store.daily_point d
JOIN store.item i ON i.item_key = d.item_key
JOIN store.item_group g ON g.item_key = d.item_key
WHERE store.has_daily_points() AND g.is_one AND d.amount > 0 AND price IS NOT NULL;

CREATE OR REPLACE VIEW sales AS
SELECT store.item_of(i.market_hash_name, i.phase) AS item, i.source, v.provider, i.item_id,
    i.market_hash_name, i.phase, s.currency, s.time,
    s.amount, store.exact_price(s.currency, s.amount) AS price, s.float_value, s.paint_seed, s.stickers, s.charms,
    s.inspect,
    s.occurrence, r.run_id
FROM store.sold s
JOIN store.item i USING (item_key)
JOIN store.provider v USING (provider_key)
JOIN store.run r USING (run_key);
