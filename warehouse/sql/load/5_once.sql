-- Rows that came twice: the latest `timestamp` wins, then the latest `last_updated`, then the latest look.

DELETE FROM incoming WHERE rowid IN (
    SELECT rowid FROM incoming
    QUALIFY row_number() OVER (
        PARTITION BY quote_key
        ORDER BY changed_at DESC NULLS LAST, last_updated DESC NULLS LAST, observed_at DESC, rowid DESC
    ) > 1
);
