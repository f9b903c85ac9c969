-- Insert the rows that could not be parsed. In: reject (its `provider` is the requested one; a series has no delivery).
-- Out: store.reject.

INSERT INTO store.reject BY NAME
SELECT reject_id, getvariable('run_key') AS run_key, currency, [] AS deliveries,
    coalesce(provider, TRY_CAST(raw AS JSON) ->> 'provider') AS provider, observed_at, reason, raw
FROM reject;
