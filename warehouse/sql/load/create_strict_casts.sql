-- Define past_timestamp, and casts for raw NDJSON that raise an error where a value may not be exact; the raw rows are
-- then parsed one by one instead. DuckDB's own casts would round a price, or guess a time zone.
-- Out: the macros past_timestamp, exact_other_price and utc_timestamp.

-- A time ahead of the clock of the machine that fetched it is no time: null.
CREATE OR REPLACE TEMP MACRO past_timestamp(value) AS CASE WHEN value <= getvariable('latest_timestamp') THEN value END;

-- The price, or null where the minor units give the same price. The digits are checked first, because a cast rounds a
-- ninth decimal place; a price in another notation (2.55e1) is parsed row by row, too. Almost every price is then
-- compared in 64 bits, which is faster.
CREATE OR REPLACE TEMP MACRO exact_other_price(price, minor) AS
    CASE WHEN price IS NULL THEN NULL
         WHEN NOT regexp_full_match(price, '[0-9]{1,12}(\.[0-9]{1,8})?') THEN error('price in another notation: ' || price)
         WHEN TRY_CAST(price AS DECIMAL(18, 8)) = TRY_CAST(minor::DECIMAL(16, 0) * 0.01 AS DECIMAL(18, 8)) THEN NULL
         ELSE nullif(price::DECIMAL(20, 8), store.price_of(minor)) END;

CREATE OR REPLACE TEMP MACRO utc_timestamp(value) AS
    CASE WHEN value IS NULL THEN NULL
         WHEN value >= '0001' AND (suffix(value, 'Z') OR suffix(value, '+00:00')) THEN value::TIMESTAMPTZ
         ELSE error('timestamp is not UTC, or before the calendar: ' || value) END;
