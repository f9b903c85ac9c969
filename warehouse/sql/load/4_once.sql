-- Rows that came twice: the latest `timestamp` wins, then the latest `last_updated`, then the latest look.

DELETE FROM arrived WHERE rowid IN (
    SELECT arrived.rowid FROM arrived JOIN page USING (page)
    QUALIFY row_number() OVER (
        PARTITION BY quote_key
        ORDER BY changed_at DESC NULLS LAST, last_updated DESC NULLS LAST, observed_at DESC, arrived.rowid DESC
    ) > 1
);
