-- The best spread of each item. An offer that is far off the asks of the other marketplaces is a mistake or a trap: it
-- is flagged, and no spread is built on it.

-- Whether some offer of an item may be far off: no median of asks is below the lowest ask.
CREATE OR REPLACE MACRO store.may_be_off(highest, lowest_ask) AS highest >= 3 * lowest_ask;

-- The offers of the items in `judged_item`, a table expression of the query that reads this view, with the median of the
-- lowest asks of the other marketplaces: that of the ordered list without the own element. To list the offers of all items
-- would take longer than everything else.
CREATE OR REPLACE VIEW store.judged AS
SELECT *, coalesce((delivery <> 'bid' AND price * 3 <= median) OR price >= median * 3, false) AS far_off
FROM (
    SELECT item, market_hash_name, phase, currency, unnest(offers, max_depth := 2), others,
        ((prices[lower + (own <= lower)::INTEGER] + prices[upper + (own <= upper)::INTEGER]) * 0.5)::DECIMAL(23, 9) AS median
    FROM (
        SELECT *, coalesce(list_position(prices, lowest), 2147483647) AS own,
            len(prices) - (lowest IS NOT NULL)::INTEGER AS others, (others + 1) // 2 AS lower, (others + 2) // 2 AS upper
        FROM (
            SELECT *, list_sort(list(lowest) FILTER (lowest IS NOT NULL)
                OVER (PARTITION BY item, market_hash_name, currency)) AS prices
            FROM (
                SELECT l.item, l.market_hash_name, l.phase, l.currency, min(l.price) FILTER (l.delivery <> 'bid') AS lowest,
                    list(struct_pack(l.provider_key, l.delivery, l.price, l.quantity, l.observed_at)) AS offers
                FROM store.live l
                JOIN judged_item j ON j.item = l.item AND j.market_hash_name = l.market_hash_name AND j.currency = l.currency
                GROUP BY l.item, l.market_hash_name, l.phase, l.currency, l.provider
            )
        )
    )
);

CREATE OR REPLACE VIEW price_outliers AS
WITH judged_item AS (
    SELECT item, market_hash_name, currency FROM store.live
    GROUP BY item, market_hash_name, currency
    HAVING store.may_be_off(max(price), min(price) FILTER (delivery <> 'bid'))
)
SELECT o.item, o.market_hash_name, o.phase, o.currency, p.source, p.provider, o.delivery, o.price, o.quantity,
    o.median::DECIMAL(20, 8) AS median_of_others, o.others, o.price::DOUBLE / nullif(o.median::DOUBLE, 0) AS ratio,
    o.observed_at
FROM store.judged o JOIN store.provider p USING (provider_key)
WHERE o.far_off;

-- What a sale brings, not yet rounded; null: more than a price can hold.
CREATE OR REPLACE MACRO store.gain_of(price, fee) AS CASE WHEN price * (1 - fee) < 1000000000000 THEN price * (1 - fee) END;

-- The fees of each marketplace, null where it is none of the given ones to sell at, and whether it is one to buy at.
CREATE OR REPLACE MACRO store.terms_at(buy_at, sell_at) AS TABLE
SELECT provider_key, buy_fee, buy_at IS NULL OR list_contains(store.names_in(buy_at), provider) AS may_buy,
    CASE WHEN may_sell THEN store.fee_of('bid', sell_fee, insta_sell_fee) END AS bid_fee,
    CASE WHEN may_sell THEN store.fee_of('', sell_fee, insta_sell_fee) END AS listing_fee
FROM (
    SELECT *, sell_at IS NULL OR list_contains(store.names_in(sell_at), provider) AS may_sell FROM store.provider
);

-- The lowest ask and the best sale of each item that has a spread, or may have one without the offers that are far off. An
-- offer is a structure that compares as a whole, so that equal prices have an order. Where offers may be far off, or where
-- both share a marketplace (see store.way), another pair may be the best one: `to_judge`.
CREATE OR REPLACE MACRO store.best_offers(buy_at, sell_at) AS TABLE
SELECT o.*, o.may_be_off OR w.bought_key IS NULL AS to_judge
FROM (
    SELECT item, market_hash_name, phase, currency,
        store.may_be_off(max(price), min(price) FILTER (delivery <> 'bid')) AS may_be_off,
        min(struct_pack(cost, price, provider_key, delivery, quantity, observed_at))
            FILTER (may_buy AND delivery <> 'bid' AND cost IS NOT NULL) AS b,
        min(struct_pack(loss := -gain, provider_key, delivery, price, quantity, observed_at)) FILTER (gain IS NOT NULL) AS s
    FROM (
        SELECT l.item, l.market_hash_name, l.phase, l.currency, l.provider_key, l.delivery, l.price, l.quantity,
            l.observed_at, t.may_buy, store.cost_of(l.price, t.buy_fee) AS cost,
            store.gain_of(l.price, CASE WHEN l.delivery = 'bid' THEN t.bid_fee ELSE t.listing_fee END) AS gain
        FROM store.live l JOIN store.terms_at(buy_at, sell_at) t USING (provider_key)
    )
    GROUP BY item, market_hash_name, phase, currency
) o
LEFT JOIN store.way w ON w.bought_key = o.b.provider_key AND w.sold_key = o.s.provider_key
WHERE o.may_be_off OR o.b.cost < -o.s.loss;

-- The pair of the highest profit of the items in `judged_item`, as in store.judged. That is the lowest ask with the best
-- sale of the offers that are not far off, unless both share a marketplace: only then all pairs of the item are tried.
CREATE OR REPLACE MACRO store.judged_pairs(buy_at, sell_at) AS TABLE
SELECT item, market_hash_name, phase, currency, outliers, unnest(min_by(struct_pack(b, s),
    row(b.cost - s.gain, b.provider_key, b.delivery, s.provider_key, s.delivery)))
FROM (
    SELECT * EXCLUDE (sales), unnest(sales) AS s
    FROM (
        SELECT item, market_hash_name, phase, currency, outliers,
            unnest(CASE WHEN w.bought_key IS NULL THEN offers ELSE [b] END) AS b,
            CASE WHEN w.bought_key IS NULL THEN offers ELSE [s] END AS sales
        FROM (
            SELECT *, list_min(list_filter(offers, lambda o: o.can_buy AND o.cost = lowest)) AS b,
                list_min(list_filter(offers, lambda o: o.gain = highest)) AS s
            FROM (
                SELECT item, market_hash_name, phase, currency, count(*) FILTER (far_off) AS outliers,
                    list(struct_pack(provider_key, delivery, price, cost, quantity, observed_at, can_buy, gain)) AS offers,
                    min(cost) FILTER (can_buy) AS lowest, max(gain) AS highest
                FROM (
                    SELECT o.*, store.cost_of(o.price, t.buy_fee) AS cost,
                        NOT o.far_off AND t.may_buy AND o.delivery <> 'bid' AND cost IS NOT NULL AS can_buy,
                        CASE WHEN NOT o.far_off THEN store.gain_of(o.price,
                            CASE WHEN o.delivery = 'bid' THEN t.bid_fee ELSE t.listing_fee END) END AS gain
                    FROM store.judged o JOIN store.terms_at(buy_at, sell_at) t USING (provider_key)
                )
                GROUP BY item, market_hash_name, phase, currency
                HAVING highest > lowest
            )
        ) best
        LEFT JOIN store.way w ON w.bought_key = best.b.provider_key AND w.sold_key = best.s.provider_key
    )
) pair
JOIN store.way v ON v.bought_key = pair.b.provider_key AND v.sold_key = pair.s.provider_key
WHERE b.can_buy AND s.gain > b.cost
GROUP BY item, market_hash_name, phase, currency, outliers;

-- The best pair of each item, bought and sold at given marketplaces (null: at any). A filter on an item reaches both uses of
-- the table expression, so that DuckDB passes the filter on to the storage.
CREATE OR REPLACE MACRO store.best_pairs(buy_at, sell_at) AS TABLE
WITH best AS (FROM store.best_offers(buy_at, sell_at)), judged_item AS (FROM best WHERE to_judge)
SELECT p.item, p.market_hash_name, p.phase, p.currency,
    p.bought_source, p.bought_at, p.b.delivery AS bought_by, p.b.price AS bought_price, p.b.quantity AS bought_quantity, p.b.cost,
    p.sold_source, p.sold_at,
    CASE WHEN p.s.delivery = 'bid' THEN 'bid' ELSE 'listing' END AS sold_by, p.s.price AS sold_price,
    p.s.quantity AS sold_quantity, p.fee AS sold_fee, p.proceeds,
    p.proceeds - p.b.cost AS profit, (p.proceeds - p.b.cost)::DOUBLE / nullif(p.b.cost::DOUBLE, 0) AS margin,
    least(p.b.observed_at, p.s.observed_at) AS observed_at, p.outliers
FROM (
    SELECT *, store.proceeds_of(s.price, fee) AS proceeds
    FROM (
        SELECT pair.*, buyer.source AS bought_source, buyer.provider AS bought_at, seller.source AS sold_source,
            seller.provider AS sold_at, store.fee_of(pair.s.delivery, seller.sell_fee, seller.insta_sell_fee) AS fee
        FROM (
            SELECT item, market_hash_name, phase, currency, 0 AS outliers,
                struct_pack(provider_key := b.provider_key, delivery := b.delivery, price := b.price, cost := b.cost,
                    quantity := b.quantity, observed_at := b.observed_at) AS b,
                struct_pack(provider_key := s.provider_key, delivery := s.delivery, price := s.price, cost := s.price,
                    quantity := s.quantity, observed_at := s.observed_at) AS s
            FROM best WHERE NOT to_judge
            UNION ALL BY NAME
            FROM store.judged_pairs(buy_at, sell_at)
        ) pair
        JOIN store.provider buyer ON buyer.provider_key = pair.b.provider_key
        JOIN store.provider seller ON seller.provider_key = pair.s.provider_key
    )
) p
WHERE p.proceeds > p.b.cost;

CREATE OR REPLACE VIEW best_spreads AS FROM store.best_pairs(NULL, NULL);

CREATE OR REPLACE MACRO best_spreads_at(buy_at, sell_at) AS TABLE FROM store.best_pairs(buy_at, sell_at);
