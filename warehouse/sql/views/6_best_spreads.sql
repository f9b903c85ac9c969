-- The best spread of each item. An offer that is far off the asks of the other marketplaces is a mistake or a trap: it
-- is flagged, and no spread is built on it. Each step reads the one before it once, so that a filter on an item reaches
-- the storage: a table expression that two steps share would be worked out for all items first.

-- The offers that are far off, by item and name, so that a filter on either one reaches them. The median of the other
-- marketplaces' lowest asks is that of the ordered list without the own element; it is worked out only for items of which
-- some offer may be far off.
CREATE OR REPLACE VIEW store.far_off AS
SELECT store.item_of(market_hash_name, phase) AS item, market_hash_name, currency, o.provider_key, o.delivery, o.price,
    others, median
FROM (
    SELECT market_hash_name, phase, currency, others, unnest(offers) AS o, ((prices[lower + (own <= lower)::INTEGER]
        + prices[upper + (own <= upper)::INTEGER]) * 0.5)::DECIMAL(23, 9) AS median
    FROM (
        SELECT *, coalesce(list_position(prices, lowest), 2147483647) AS own,
            len(prices) - (lowest IS NOT NULL)::INTEGER AS others, (others + 1) // 2 AS lower, (others + 2) // 2 AS upper
        FROM (
            SELECT *, list_sort(list(lowest) FILTER (lowest IS NOT NULL)
                OVER (PARTITION BY market_hash_name, phase, currency)) AS prices
            FROM (
                SELECT market_hash_name, phase, currency, min(o.price) FILTER (o.delivery <> 'bid') AS lowest,
                    list(o) AS offers
                FROM (
                    SELECT market_hash_name, phase, currency, unnest(offers) AS o
                    FROM (
                        SELECT market_hash_name, phase, currency,
                            list(struct_pack(provider, provider_key, delivery, price)) AS offers
                        FROM store.live
                        GROUP BY market_hash_name, phase, currency
                        HAVING max(price) >= 3 * min(price) FILTER (delivery <> 'bid')
                    )
                )
                GROUP BY market_hash_name, phase, currency, o.provider
            )
        )
    )
)
WHERE (o.delivery <> 'bid' AND o.price * 3 <= median) OR o.price >= median * 3;

CREATE OR REPLACE VIEW price_outliers AS
SELECT l.item, l.market_hash_name, l.phase, l.currency, l.source, l.provider, l.delivery, l.price, l.quantity,
    f.median::DECIMAL(20, 8) AS median_of_others, f.others, l.price::DOUBLE / nullif(f.median::DOUBLE, 0) AS ratio,
    l.observed_at
FROM store.live l
JOIN (SELECT DISTINCT * FROM store.far_off) f ON f.item = l.item AND f.market_hash_name = l.market_hash_name
    AND f.currency = l.currency
    AND f.provider_key = l.provider_key AND f.delivery = l.delivery AND f.price = l.price;

-- Every offer with what a sale to it brings, not yet rounded (rounding takes longer than all the rest), and whether it
-- may be bought and sold at the given marketplaces.
CREATE OR REPLACE MACRO store.offer_at(buy_at, sell_at) AS TABLE
SELECT item, market_hash_name, phase, currency, far_off, can_buy, can_sell, price, gain, provider_key, delivery,
    struct_pack(provider_key, delivery, price, quantity, observed_at, fee, gain, can_buy, can_sell) AS terms
FROM (
    SELECT *, price * (1 - fee) AS gain, NOT far_off AND delivery <> 'bid' AND may_buy AS can_buy,
        NOT far_off AND may_sell AND gain < 1000000000000 AS can_sell
    FROM (
        SELECT l.item, l.market_hash_name, l.phase, l.currency, l.provider_key, l.delivery, l.price, l.quantity,
            l.observed_at, f.median IS NOT NULL AS far_off, p.may_buy, p.may_sell,
            CASE WHEN l.delivery = 'bid' THEN p.bid_fee ELSE p.listing_fee END AS fee
        FROM store.live l
        JOIN (
            SELECT provider_key, store.fee_of('bid', sell_fee, insta_sell_fee) AS bid_fee,
                store.fee_of('', sell_fee, insta_sell_fee) AS listing_fee,
                buy_at IS NULL OR list_contains(store.names_in(buy_at), provider) AS may_buy,
                sell_at IS NULL OR list_contains(store.names_in(sell_at), provider) AS may_sell
            FROM store.provider
        ) p USING (provider_key)
        LEFT JOIN (SELECT DISTINCT * FROM store.far_off) f ON f.item = l.item
            AND f.market_hash_name = l.market_hash_name AND f.currency = l.currency
            AND f.provider_key = l.provider_key AND f.delivery = l.delivery AND f.price = l.price
    )
);

-- The pair of the highest profit of each item, bought and sold at given marketplaces (null: at any). That is the lowest
-- ask with the best sale, unless both share a marketplace (see store.way): only then all pairs of the item are tried.
CREATE OR REPLACE MACRO store.best_pairs(buy_at, sell_at) AS TABLE
SELECT p.item, p.market_hash_name, p.phase, p.currency,
    buyer.source AS bought_source, buyer.provider AS bought_at, b.delivery AS bought_by, b.price AS bought_price,
    b.quantity AS bought_quantity,
    seller.source AS sold_source, seller.provider AS sold_at,
    CASE WHEN s.delivery = 'bid' THEN 'bid' ELSE 'listing' END AS sold_by, s.price AS sold_price,
    s.quantity AS sold_quantity, s.fee AS sold_fee, p.proceeds,
    p.proceeds - b.price AS profit, (p.proceeds - b.price)::DOUBLE / nullif(b.price::DOUBLE, 0) AS margin,
    least(b.observed_at, s.observed_at) AS observed_at, p.outliers
FROM (
    SELECT *, store.proceeds_of(s.price, s.fee) AS proceeds
    FROM (
        SELECT item, market_hash_name, phase, currency, outliers, unnest(min_by(struct_pack(b, s),
            row(b.price - s.gain, b.provider_key, b.delivery, s.provider_key, s.delivery)))
        FROM (
            SELECT * EXCLUDE (sales), unnest(sales) AS s
            FROM (
                SELECT item, market_hash_name, phase, currency, outliers,
                    unnest(CASE WHEN w.bought_key IS NULL THEN offers ELSE [b] END) AS b,
                    CASE WHEN w.bought_key IS NULL THEN offers ELSE [s] END AS sales
                FROM (
                    SELECT item, market_hash_name, phase, currency, count(*) FILTER (far_off) AS outliers,
                        list(terms) AS offers,
                        min_by(terms, row(price, provider_key, delivery)) FILTER (can_buy) AS b,
                        min_by(terms, row(-gain, provider_key, delivery)) FILTER (can_sell) AS s
                    FROM store.offer_at(buy_at, sell_at)
                    GROUP BY item, market_hash_name, phase, currency
                ) best
                LEFT JOIN store.way w ON w.bought_key = best.b.provider_key AND w.sold_key = best.s.provider_key
                WHERE s.gain > b.price
            )
        ) pair
        JOIN store.way v ON v.bought_key = pair.b.provider_key AND v.sold_key = pair.s.provider_key
        WHERE b.can_buy AND s.can_sell AND s.gain > b.price
        GROUP BY item, market_hash_name, phase, currency, outliers
    )
) p
JOIN store.provider buyer ON buyer.provider_key = p.b.provider_key
JOIN store.provider seller ON seller.provider_key = p.s.provider_key
WHERE p.proceeds > b.price;

CREATE OR REPLACE VIEW best_spreads AS FROM store.best_pairs(NULL, NULL);

CREATE OR REPLACE MACRO best_spreads_at(buy_at, sell_at) AS TABLE FROM store.best_pairs(buy_at, sell_at);
