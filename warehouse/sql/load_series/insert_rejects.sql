-- Insert the rows that could not be parsed. In: reject (its `provider` is the requested one; a series has no delivery).
-- Out: store.reject.

INSERT INTO store.reject
SELECT reject_id, getvariable('run_key'), currency, [], coalesce(provider, TRY_CAST(raw AS JSON) ->> 'provider'),
    observed_at, reason, raw, NULL
FROM reject;
