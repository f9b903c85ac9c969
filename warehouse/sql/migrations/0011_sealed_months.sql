-- The months whose history is in a file beside the database, and not in store.history. `month` is the first day in UTC;
-- `rows` are those of the file, `ended` those with an end: every other one is a state that outlasts the month.

CREATE TABLE store.sealed_month (
    month DATE NOT NULL, file VARCHAR NOT NULL, rows BIGINT NOT NULL, ended BIGINT NOT NULL, bytes BIGINT NOT NULL,
    checksum VARCHAR NOT NULL, sealed_at TIMESTAMPTZ NOT NULL
);

-- The files that the views read now, whole paths: a session that may open no other file opens these.
CREATE TABLE store.sealed_path (path VARCHAR NOT NULL, bytes BIGINT NOT NULL);
