-- What the user owns is worth now. Prices are in USD; those of a holding in another currency are converted by the newest
-- exchange rate, and rounded to eight places.

CREATE OR REPLACE VIEW store.held AS
SELECT h.*, i.item AS known_item,
    CASE WHEN h.currency = 'USD' THEN 1::DOUBLE ELSE r.rate END AS rate
FROM store.holding h
-- Names that differ in case only are those of one item.
LEFT JOIN (
    SELECT lower(store.item_of(market_hash_name, phase)) AS folded, min(store.item_of(market_hash_name, phase)) AS item
    FROM store.item GROUP BY folded
) i ON i.folded = lower(h.item)
LEFT JOIN (
    SELECT currency, arg_max(rate, rate_at)::DOUBLE AS rate FROM store.fx_rate WHERE rate > 0 GROUP BY currency
) r ON r.currency = h.currency;

CREATE OR REPLACE MACRO store.converted(price, rate) AS
    CASE WHEN rate = 1 THEN price ELSE TRY_CAST(price::DOUBLE * rate AS DECIMAL(20, 8)) END;

CREATE OR REPLACE VIEW store.best_ask_days_ago AS
SELECT item,
    max(price) FILTER (days = 1) AS price_1d, max(price) FILTER (days = 7) AS price_7d,
    max(price) FILTER (days = 30) AS price_30d
FROM (
    SELECT a.item, a.price, n.days
    FROM store.best_ask_of_item a
    JOIN (
        SELECT days, observed_to - to_days(days) AS moment
        FROM store.newest_observation CROSS JOIN (VALUES (1), (7), (30)) d(days)
    ) n ON a.valid_from <= n.moment AND a.ends_at > n.moment
    WHERE a.currency = 'USD'
)
GROUP BY item;

CREATE OR REPLACE VIEW portfolio AS
SELECT h.line, coalesce(h.known_item, h.item) AS item, h.quantity, h.bought_at, h.bought_on, h.currency,
    h.price AS bought_price, h.quantity * h.price AS cost,
    store.converted(a.best.price, h.rate) AS ask, a.best.provider AS ask_at,
    store.converted(b.best.price, h.rate) AS bid, b.best.provider AS bid_at,
    store.converted(s.best.proceeds, h.rate) AS net, s.best.provider AS net_at,
    h.quantity * ask AS value, h.quantity * bid AS value_by_bid, h.quantity * net AS value_net,
    h.quantity * net - h.quantity * h.price AS profit,
    (net - h.price)::DOUBLE / nullif(h.price::DOUBLE, 0) AS profit_share,
    (a.best.price - p.price_1d)::DOUBLE / nullif(p.price_1d::DOUBLE, 0) AS change_1d,
    (a.best.price - p.price_7d)::DOUBLE / nullif(p.price_7d::DOUBLE, 0) AS change_7d,
    (a.best.price - p.price_30d)::DOUBLE / nullif(p.price_30d::DOUBLE, 0) AS change_30d,
    CASE WHEN h.known_item IS NULL THEN 'unknown item' WHEN h.rate IS NULL THEN 'no exchange rate'
        WHEN a.best IS NULL THEN 'not listed' ELSE 'valued' END AS status
FROM store.held h
LEFT JOIN (
    SELECT item, min(struct_pack(price, source, provider, delivery)) AS best
    FROM store.live WHERE delivery <> 'bid' AND currency = 'USD' GROUP BY item
) a ON a.item = h.known_item
LEFT JOIN (
    SELECT item, max(struct_pack(price, provider)) AS best
    FROM store.live WHERE delivery = 'bid' AND currency = 'USD' GROUP BY item
) b ON b.item = h.known_item
-- Listed at the lowest ask of a marketplace, or sold at once to its highest bid: whatever leaves more after the fee.
LEFT JOIN (
    SELECT item, max(struct_pack(proceeds, provider)) AS best FROM store.sale WHERE currency = 'USD' GROUP BY item
) s ON s.item = h.known_item
LEFT JOIN store.best_ask_days_ago p ON p.item = h.known_item;
