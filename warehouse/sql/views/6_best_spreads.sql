-- The best spread of each item. An offer that is far off the asks of the other marketplaces is a mistake or a trap: it
-- is flagged, and no spread is built on it. Each step reads the one before it once, so that a filter on an item reaches
-- the storage: a table expression that two steps share would be worked out for all items first.

-- The offers that are far off, by item and name, so that a filter on either one reaches them. The median of the other
-- marketplaces' lowest asks is that of the ordered list without the own element; the offers are listed only for items of
-- which some may be far off.
CREATE OR REPLACE VIEW store.far_off AS
SELECT item, market_hash_name, currency, o.provider_key, o.delivery, o.price, others, median
FROM (
    SELECT item, market_hash_name, currency, others, unnest(offers) AS o, ((prices[lower + (own <= lower)::INTEGER]
        + prices[upper + (own <= upper)::INTEGER]) * 0.5)::DECIMAL(23, 9) AS median
    FROM (
        SELECT *, coalesce(list_position(prices, lowest), 2147483647) AS own,
            len(prices) - (lowest IS NOT NULL)::INTEGER AS others, (others + 1) // 2 AS lower, (others + 2) // 2 AS upper
        FROM (
            SELECT *, list_sort(list(lowest) FILTER (lowest IS NOT NULL)
                OVER (PARTITION BY item, market_hash_name, currency)) AS prices
            FROM (
                SELECT l.item, l.market_hash_name, l.currency, min(l.price) FILTER (l.delivery <> 'bid') AS lowest,
                    list(struct_pack(l.provider_key, l.delivery, l.price)) AS offers
                FROM store.live l
                JOIN (
                    SELECT item, market_hash_name, currency FROM store.live
                    GROUP BY item, market_hash_name, currency
                    HAVING max(price) >= 3 * min(price) FILTER (delivery <> 'bid')
                ) c ON c.item = l.item AND c.market_hash_name = l.market_hash_name AND c.currency = l.currency
                GROUP BY l.item, l.market_hash_name, l.currency, l.provider
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

-- Every offer: whether it may be bought at the given marketplaces, and what a sale to it at the given marketplaces brings,
-- not yet rounded (rounding takes longer than all the rest); null: nothing may be sold there.
CREATE OR REPLACE MACRO store.offer_at(buy_at, sell_at) AS TABLE
SELECT item, market_hash_name, phase, currency, far_off, can_buy, price, gain,
    struct_pack(provider_key, delivery, price, quantity, observed_at, can_buy, gain) AS terms
FROM (
    SELECT *, NOT far_off AND delivery <> 'bid' AND may_buy AS can_buy,
        CASE WHEN NOT far_off AND may_sell AND price * (1 - fee) < 1000000000000 THEN price * (1 - fee) END AS gain
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
-- ask with the best sale, unless both share a marketplace (see store.way): only then all pairs of the item are tried. An
-- offer has few columns here, and the least is found by its price alone: lists of all offers take most of the time.
CREATE OR REPLACE MACRO store.best_pairs(buy_at, sell_at) AS TABLE
SELECT p.item, p.market_hash_name, p.phase, p.currency,
    p.bought_source, p.bought_at, p.b.delivery AS bought_by, p.b.price AS bought_price, p.b.quantity AS bought_quantity,
    p.sold_source, p.sold_at,
    CASE WHEN p.s.delivery = 'bid' THEN 'bid' ELSE 'listing' END AS sold_by, p.s.price AS sold_price,
    p.s.quantity AS sold_quantity, p.fee AS sold_fee, p.proceeds,
    p.proceeds - p.b.price AS profit, (p.proceeds - p.b.price)::DOUBLE / nullif(p.b.price::DOUBLE, 0) AS margin,
    least(p.b.observed_at, p.s.observed_at) AS observed_at, p.outliers
FROM (
    SELECT *, store.proceeds_of(s.price, fee) AS proceeds
    FROM (
        SELECT best.*, buyer.source AS bought_source, buyer.provider AS bought_at, seller.source AS sold_source,
            seller.provider AS sold_at, store.fee_of(best.s.delivery, seller.sell_fee, seller.insta_sell_fee) AS fee
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
                        SELECT item, market_hash_name, phase, currency, outliers, offers,
                            list_min(list_filter(offers, lambda o: o.can_buy AND o.price = lowest)) AS b,
                            list_min(list_filter(offers, lambda o: o.gain = highest)) AS s
                        FROM (
                            SELECT item, market_hash_name, phase, currency, count(*) FILTER (far_off) AS outliers,
                                list(terms) AS offers, min(price) FILTER (can_buy) AS lowest, max(gain) AS highest
                            FROM store.offer_at(buy_at, sell_at)
                            GROUP BY item, market_hash_name, phase, currency
                            HAVING highest > lowest
                        )
                    ) best
                    LEFT JOIN store.way w ON w.bought_key = best.b.provider_key AND w.sold_key = best.s.provider_key
                )
            ) pair
            JOIN store.way v ON v.bought_key = pair.b.provider_key AND v.sold_key = pair.s.provider_key
            WHERE b.can_buy AND s.gain > b.price
            GROUP BY item, market_hash_name, phase, currency, outliers
        ) best
        JOIN store.provider buyer ON buyer.provider_key = best.b.provider_key
        JOIN store.provider seller ON seller.provider_key = best.s.provider_key
    )
) p
WHERE p.proceeds > p.b.price;

CREATE OR REPLACE VIEW best_spreads AS FROM store.best_pairs(NULL, NULL);

CREATE OR REPLACE MACRO best_spreads_at(buy_at, sell_at) AS TABLE FROM store.best_pairs(buy_at, sell_at);
