-- The best ask over all marketplaces, and the spreads between them. Items of two sources are matched by name and phase.

-- The quotes that an order can be filled by. A quote without a phase is left out where items of its name have phases:
-- it is a quote of no single item. An ask or a bid of nothing, or for nothing, is no offer.
CREATE OR REPLACE VIEW store.live AS
SELECT q.*
FROM store.dated_quote q
WHERE q.fresh AND (q.lowest_ask > 0 OR q.price > 0) AND q.quantity IS DISTINCT FROM 0
    AND q.item_key NOT IN (SELECT item_key FROM store.item_group WHERE NOT is_one);

CREATE OR REPLACE VIEW best_ask AS
SELECT store.item_of(market_hash_name, phase) AS item, market_hash_name, phase, currency, unnest(min_by(
    struct_pack(source, provider, delivery, lowest_ask, price, quantity, observed_at),
    struct_pack(price, source, provider, delivery)))
FROM store.live WHERE delivery <> 'bid'
GROUP BY market_hash_name, phase, currency;

-- The marketplaces behind a provider: SkinShark combines two; any other provider is one marketplace in every source.
CREATE OR REPLACE VIEW store.stands_for AS
SELECT p.provider_key, coalesce(m.marketplace, p.provider) AS marketplace
FROM store.provider p
LEFT JOIN (VALUES ('skinshark', 'c5'), ('skinshark', 'ecosteam')) m(provider, marketplace) USING (provider);

-- Pairs of providers to buy at and sell at: without a common marketplace.
CREATE OR REPLACE VIEW store.way AS
SELECT b.provider_key AS bought_key, s.provider_key AS sold_key
FROM store.provider b CROSS JOIN store.provider s
ANTI JOIN (
    SELECT x.provider_key AS bought_key, y.provider_key AS sold_key
    FROM store.stands_for x JOIN store.stands_for y USING (marketplace)
) same ON same.bought_key = b.provider_key AND same.sold_key = s.provider_key;

-- The proceeds of a sale after the fee: by a listing at the lowest ask, or at once to the highest bid. Providers
-- without a known fee are left out; a provider without an own fee for instant sales takes its usual fee.
CREATE OR REPLACE MACRO store.fee_of(delivery, sell_fee, insta_sell_fee) AS
    TRY_CAST(CASE WHEN delivery = 'bid' THEN coalesce(insta_sell_fee, sell_fee) ELSE sell_fee END AS DECIMAL(9, 6));

-- Rounded to the digits of a price. DuckDB divides a number of 64 bits, as those below 10,000 are, much faster.
CREATE OR REPLACE MACRO store.proceeds_of(price, fee) AS coalesce(
    TRY_CAST(TRY_CAST(price * (1 - fee) AS DECIMAL(18, 14)) AS DECIMAL(20, 8)), TRY_CAST(price * (1 - fee) AS DECIMAL(20, 8)));

-- What buying takes: the ask, and the fee that it lacks.
CREATE OR REPLACE MACRO store.cost_of(price, buy_fee) AS
    CASE WHEN buy_fee > 0 THEN TRY_CAST(price * (1 + buy_fee::DECIMAL(9, 6)) AS DECIMAL(20, 8)) ELSE price END;

CREATE OR REPLACE VIEW store.sale AS
SELECT *, store.proceeds_of(price, fee) AS proceeds
FROM (
    SELECT l.*, store.fee_of(l.delivery, p.sell_fee, p.insta_sell_fee) AS fee
    FROM store.live l JOIN store.provider p USING (provider_key)
)
WHERE fee IS NOT NULL;

CREATE OR REPLACE VIEW spreads AS
SELECT b.item, b.market_hash_name, b.phase, b.currency,
    b.source AS bought_source, b.provider AS bought_at, b.delivery AS bought_by, b.price AS bought_price,
    b.quantity AS bought_quantity, b.cost,
    s.source AS sold_source, s.provider AS sold_at,
    CASE WHEN s.delivery = 'bid' THEN 'bid' ELSE 'listing' END AS sold_by, s.price AS sold_price,
    s.quantity AS sold_quantity, s.fee AS sold_fee, s.proceeds,
    s.proceeds - b.cost AS profit, (s.proceeds - b.cost)::DOUBLE / nullif(b.cost::DOUBLE, 0) AS margin,
    least(b.observed_at, s.observed_at) AS observed_at
FROM (
    SELECT l.*, store.cost_of(l.price, p.buy_fee) AS cost FROM store.live l JOIN store.provider p USING (provider_key)
) b
-- By both, so that a filter on either one reaches both sides.
JOIN store.sale s ON s.item = b.item AND s.market_hash_name = b.market_hash_name
    AND s.currency = b.currency AND s.proceeds > b.cost
JOIN store.way w ON w.bought_key = b.provider_key AND w.sold_key = s.provider_key
WHERE b.delivery <> 'bid';
