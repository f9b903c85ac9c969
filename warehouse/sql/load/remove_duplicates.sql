-- Delete duplicates of a key: the latest `timestamp` wins, then the latest `last_updated`, then the latest observation.
-- In: page, staged_row. Out: fewer rows in staged_row.

DELETE FROM staged_row WHERE rowid IN (
    SELECT staged_row.rowid FROM staged_row JOIN page USING (page)
    QUALIFY row_number() OVER (
        PARTITION BY quote_key
        ORDER BY changed_at DESC NULLS LAST, last_updated DESC NULLS LAST, observed_at DESC, staged_row.rowid DESC
    ) > 1
);
