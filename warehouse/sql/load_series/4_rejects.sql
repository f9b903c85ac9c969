-- What did not fit; no delivery was asked for. In: reject, whose `provider` is the question's.

INSERT INTO store.reject
SELECT reject_id, getvariable('run_key'), currency, [], coalesce(provider, TRY_CAST(raw AS JSON) ->> 'provider'),
    observed_at, reason, raw, NULL
FROM reject;
