-- Delete duplicates of a key: the latest `timestamp` wins, then the latest `last_updated`, then the latest observation.
-- A replay holds several observations of a key: there only rows of one moment are duplicates.
-- In: page, staged_row. Out: fewer rows in staged_row.

DELETE FROM staged_row WHERE rowid IN (
    SELECT staged_row.rowid FROM staged_row JOIN page USING (page)
    QUALIFY row_number() OVER (
        PARTITION BY quote_key, CASE WHEN getvariable('flow') = 'replay' THEN observed_at END
        ORDER BY changed_at DESC NULLS LAST, last_updated DESC NULLS LAST, observed_at DESC, staged_row.rowid DESC
    ) > 1
);
