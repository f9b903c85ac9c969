-- Convert prices by a source's own exchange rates: exactly, then rounded like the source rounds.

-- parts_of: a price in units of 1e-8. quotient: n // d for numbers that are not negative.
-- DuckDB divides a HUGEINT bit by bit, which is slow. Below 1e15 a DOUBLE is off by less than 0.5, so that rounding it
-- and at most one correction give the exact result.
CREATE OR REPLACE MACRO store.parts_of(price) AS
    CASE WHEN price < 10000000 THEN (price::DOUBLE * 1e8)::BIGINT::HUGEINT ELSE (price * 100000000)::HUGEINT END;

CREATE OR REPLACE MACRO store.quotient(n, d) AS
    CASE WHEN n::DOUBLE / d::DOUBLE < 1e15
        THEN (n::DOUBLE / d::DOUBLE)::BIGINT - (n < (n::DOUBLE / d::DOUBLE)::BIGINT * d)::BIGINT
        ELSE n // d END;

-- The quotes in USD, converted by the newest rate of their source, or by the newest rate of any source where theirs
-- has none for this currency. No DECIMAL can hold the product of a price and a rate, so the product is an integer: the
-- price in units of 1e-8 dollars times the digits of the rate. `unit` is the integer for a rate of 1. A product that no
-- DECIMAL(38) can hold is null.
CREATE OR REPLACE MACRO quotes_in(wanted) AS TABLE
WITH newest_rate AS (
    SELECT source, arg_max(rate, rate_at) AS rate, max(rate_at) AS rate_at
    FROM store.fx_rate WHERE currency = upper(wanted) AND upper(wanted) <> 'USD' AND rate > 0 GROUP BY source
    UNION ALL
    SELECT source, 1, NULL FROM store.provider WHERE upper(wanted) = 'USD' GROUP BY source
), fx AS (
    SELECT s.source, unnest(coalesce(any_value(struct_pack(t.rate, t.rate_at)) FILTER (t.source = s.source),
        max_by(struct_pack(t.rate, t.rate_at), t.rate_at)))
    FROM (SELECT DISTINCT source FROM store.provider) s CROSS JOIN newest_rate t
    GROUP BY s.source
), parts AS (
    SELECT source, rate, rate_at, replace(digits, '.', '')::HUGEINT AS factor,
        pow(10, length(digits) - strpos(digits, '.'))::HUGEINT AS unit, unit // 2 AS half
    FROM (SELECT *, rtrim(rate::DECIMAL(38, 18)::VARCHAR, '0') AS digits FROM fx)
), exact AS (
    SELECT q.* EXCLUDE (quote_key, item_key, provider_key, valid_from, fresh_until), f.rate, f.rate_at, f.unit, f.half, CASE
        WHEN q.price::DOUBLE * f.factor::DOUBLE < 9.9e29 THEN store.parts_of(q.price) * f.factor END AS amount
    FROM store.dated_quote q JOIN parts f USING (source)
    WHERE q.currency = 'USD' AND q.delivery <> 'bid'
), rounded AS (
    SELECT *, store.quotient(amount + unit * 500000, unit * 1000000) AS minor FROM exact
)
SELECT item, source, provider, item_id, market_hash_name, phase, upper(wanted) AS currency, delivery,
    CASE WHEN upper(wanted) = 'USD' THEN lowest_ask ELSE TRY_CAST(minor AS BIGINT) END AS lowest_ask,
    CASE WHEN upper(wanted) = 'USD' THEN price
        WHEN amount < unit * 100000000 THEN store.quotient(amount + half, unit)::DECIMAL(38, 0) * 0.00000001
        ELSE (minor * 1000000)::DECIMAL(38, 0) * 0.00000001
    END AS price,
    quantity, changed_at, last_updated, observed_at, run_id, url, aggregate, fresh, rate, rate_at,
    upper(wanted) <> 'USD' AS converted
FROM rounded JOIN (SELECT run_key, run_id FROM store.run) USING (run_key);
