-- What a feed said to be removed: the quote and the time. A quote that was not listed then changes nothing, but a row of an
-- earlier time that comes later must not seem to be listed still.

CREATE TABLE store.removal (run_key INTEGER NOT NULL, quote_key BIGINT NOT NULL, removed_at TIMESTAMPTZ NOT NULL);
