-- What a value of JSON lines must be to be taken as it is; anything else is an error, and the shard is typed row by
-- row instead. DuckDB's own casts would round, guess a zone, or take a nested value for a text.

CREATE OR REPLACE TEMP MACRO whole(told) AS
    CASE WHEN contains(told, '.') THEN error('not whole: ' || told) ELSE told::BIGINT END;

-- what equals its minor units is exact however it is written; 64 bits hold almost every price, in a quarter of the time
CREATE OR REPLACE TEMP MACRO exact(told, minor) AS
    CASE WHEN told IS NULL OR TRY_CAST(told AS DECIMAL(18, 8)) = (minor * 0.01)::DECIMAL(18, 8)
         THEN (minor * 0.01)::DECIMAL(20, 8)
         WHEN regexp_full_match(told, '[0-9]{1,12}(\.[0-9]{1,8})?') THEN told::DECIMAL(20, 8)
         ELSE error('not exact: ' || told) END;

CREATE OR REPLACE TEMP MACRO moment(told) AS
    CASE WHEN told IS NULL THEN NULL
         WHEN suffix(told, 'Z') OR suffix(told, '+00:00') THEN told::TIMESTAMPTZ
         ELSE error('no moment: ' || told) END;

CREATE OR REPLACE TEMP MACRO flat(told) AS
    CASE WHEN prefix(told, '{') OR prefix(told, '[') THEN error('not flat: ' || told) ELSE told END;

CREATE OR REPLACE TEMP MACRO named(told) AS CASE WHEN told <> '' THEN flat(told) ELSE error('no name') END;
