-- What a value must be to be taken as it is; anything else is an error, and its lines are typed row by row instead.
-- DuckDB's own casts would round, or guess a zone.

-- a price where it is not what the minor units say, however it is written; 64 bits hold almost every one, in a
-- quarter of the time
CREATE OR REPLACE TEMP MACRO other_price(told, minor) AS
    CASE WHEN told IS NULL OR TRY_CAST(told AS DECIMAL(18, 8)) = (minor * 0.01)::DECIMAL(18, 8) THEN NULL
         WHEN regexp_full_match(told, '[0-9]{1,12}(\.[0-9]{1,8})?')
             THEN nullif(told::DECIMAL(20, 8), store.price_of(minor))
         ELSE error('not exact: ' || told) END;

CREATE OR REPLACE TEMP MACRO moment(told) AS
    CASE WHEN told IS NULL THEN NULL
         WHEN suffix(told, 'Z') OR suffix(told, '+00:00') THEN told::TIMESTAMPTZ
         ELSE error('no moment: ' || told) END;
