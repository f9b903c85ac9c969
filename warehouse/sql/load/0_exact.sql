-- What a value must be to be taken as it is; anything else is an error, and its lines are typed row by row instead.
-- DuckDB's own casts would round, or guess a zone.

-- A price where it is not what the minor units say. First its digits: a cast takes 2.55e1, and rounds a ninth place
-- away. Then in 64 bits, in which almost every price is compared sooner.
CREATE OR REPLACE TEMP MACRO other_price(told, minor) AS
    CASE WHEN told IS NULL THEN NULL
         WHEN NOT regexp_full_match(told, '[0-9]{1,12}(\.[0-9]{1,8})?') THEN error('not exact: ' || told)
         WHEN TRY_CAST(told AS DECIMAL(18, 8)) = TRY_CAST(minor::DECIMAL(16, 0) * 0.01 AS DECIMAL(18, 8)) THEN NULL
         ELSE nullif(told::DECIMAL(20, 8), store.price_of(minor)) END;

CREATE OR REPLACE TEMP MACRO moment(told) AS
    CASE WHEN told IS NULL THEN NULL
         WHEN suffix(told, 'Z') OR suffix(told, '+00:00') THEN told::TIMESTAMPTZ
         ELSE error('no moment: ' || told) END;
