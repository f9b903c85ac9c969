-- The best spread of each item. An offer that is far off the asks of the other marketplaces is a mistake or a trap: it
-- is flagged, and no spread is built on it.

-- The lowest ask of each marketplace, and those of an item in their order.
CREATE OR REPLACE VIEW store.cheapest AS
SELECT item, currency, provider, min(price) AS price FROM store.live WHERE delivery <> 'bid'
GROUP BY item, currency, provider;

CREATE OR REPLACE VIEW store.asks_of_item AS
SELECT item, currency, list(price ORDER BY price) AS prices FROM store.cheapest GROUP BY item, currency;

-- Each offer with the median of the other marketplaces' lowest asks: of the ordered list without its own element.
CREATE OR REPLACE VIEW store.judged AS
SELECT *, CASE WHEN delivery = 'bid' THEN false ELSE coalesce(price * 3 <= median, false) END
    OR coalesce(price >= median * 3, false) AS far_off
FROM (
    SELECT * EXCLUDE (prices, own), ((prices[lower + (own <= lower)::INTEGER]
        + prices[upper + (own <= upper)::INTEGER]) * 0.5)::DECIMAL(23, 9) AS median
    FROM (
        SELECT l.*, a.prices, coalesce(list_position(a.prices, c.price), 2147483647) AS own,
            len(a.prices) - (c.price IS NOT NULL)::INTEGER AS others, (others + 1) // 2 AS lower,
            (others + 2) // 2 AS upper
        FROM store.live l
        LEFT JOIN store.asks_of_item a ON a.item = l.item AND a.currency = l.currency
        LEFT JOIN store.cheapest c ON c.item = l.item AND c.currency = l.currency AND c.provider = l.provider
    )
);

CREATE OR REPLACE VIEW price_outliers AS
SELECT item, market_hash_name, phase, currency, source, provider, delivery, price, quantity,
    median::DECIMAL(20, 8) AS median_of_others, others, price::DOUBLE / nullif(median::DOUBLE, 0) AS ratio, observed_at
FROM store.judged WHERE far_off;

-- The pair of the highest profit of each item, bought and sold at given marketplaces (null: at any). A marketplace
-- shares goods with at most two others (see store.way). So one of the four lowest asks, each of another marketplace, can
-- be sold at any given one, and the pair of the highest profit is among four asks and four sales.
CREATE OR REPLACE MACRO store.best_pairs(buy_at, sell_at) AS TABLE
WITH offer AS (
    SELECT j.*, store.fee_of(j.delivery, p.sell_fee, p.insta_sell_fee) AS fee,
        store.proceeds_of(j.price, store.fee_of(j.delivery, p.sell_fee, p.insta_sell_fee)) AS proceeds
    FROM store.judged j JOIN store.provider p USING (provider_key)
), buy AS (
    SELECT item, market_hash_name, phase, currency, unnest(min_by(best, row(best.price, best.provider), 4)) AS b
    FROM (
        SELECT item, market_hash_name, phase, currency, provider, min_by(
            struct_pack(provider_key, source, provider, delivery, price, quantity, observed_at),
            struct_pack(price, source, delivery)) AS best
        FROM offer
        WHERE delivery <> 'bid' AND NOT far_off
            AND (buy_at IS NULL OR list_contains(store.names_in(buy_at), provider))
        GROUP BY item, market_hash_name, phase, currency, provider
    )
    GROUP BY item, market_hash_name, phase, currency
), sell AS (
    SELECT item, currency, unnest(min_by(best, row(-best.proceeds, best.provider), 4)) AS s
    FROM (
        SELECT item, currency, provider, min_by(
            struct_pack(provider_key, source, provider, delivery, price, quantity, fee, proceeds, observed_at),
            row(-proceeds, source, delivery)) AS best
        FROM offer
        WHERE proceeds IS NOT NULL AND NOT far_off
            AND (sell_at IS NULL OR list_contains(store.names_in(sell_at), provider))
        GROUP BY item, currency, provider
    )
    GROUP BY item, currency
), pair AS (
    SELECT b.item, b.market_hash_name, b.phase, b.currency, b.b, s.s, s.s.proceeds - b.b.price AS profit
    FROM buy b
    JOIN sell s ON s.item = b.item AND s.currency = b.currency AND s.s.proceeds > b.b.price
    JOIN store.way w ON w.bought_key = b.b.provider_key AND w.sold_key = s.s.provider_key
), best AS (
    SELECT item, market_hash_name, phase, currency, unnest(min_by(struct_pack(b, s, profit),
        row(-profit, b.source, b.provider, b.delivery, s.source, s.provider, s.delivery)))
    FROM pair
    GROUP BY item, market_hash_name, phase, currency
), outlier AS (
    SELECT item, currency, count(*) AS outliers FROM offer WHERE far_off GROUP BY item, currency
)
SELECT best.item, market_hash_name, phase, best.currency,
    b.source AS bought_source, b.provider AS bought_at, b.delivery AS bought_by, b.price AS bought_price,
    b.quantity AS bought_quantity,
    s.source AS sold_source, s.provider AS sold_at,
    CASE WHEN s.delivery = 'bid' THEN 'bid' ELSE 'listing' END AS sold_by, s.price AS sold_price,
    s.quantity AS sold_quantity, s.fee AS sold_fee, s.proceeds,
    profit, profit::DOUBLE / nullif(b.price::DOUBLE, 0) AS margin,
    least(b.observed_at, s.observed_at) AS observed_at, coalesce(outliers, 0) AS outliers
FROM best LEFT JOIN outlier ON outlier.item = best.item AND outlier.currency = best.currency;

CREATE OR REPLACE VIEW best_spreads AS FROM store.best_pairs(NULL, NULL);

CREATE OR REPLACE MACRO best_spreads_at(buy_at, sell_at) AS TABLE FROM store.best_pairs(buy_at, sell_at);
