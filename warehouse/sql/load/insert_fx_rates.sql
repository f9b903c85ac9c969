-- Insert the exchange rates that the run fetched; a table that the store already holds stays as it is.
-- A table whose time lies ahead of the clock of the machine that fetched it is one of the start of the run: it would be
-- the newest table until then. Older versions stored such tables. In: catalog_fx. Out: store.fx_rate.

UPDATE store.fx_rate SET rate_at = observed_at
WHERE source = getvariable('source') AND rate_at > observed_at + INTERVAL 1 DAY;

INSERT INTO store.fx_rate
WITH fetched AS (
    SELECT currency, rate,
        CASE WHEN moment > getvariable('latest_timestamp') THEN getvariable('started_at') ELSE moment END AS rate_at
    FROM catalog_fx
)
SELECT getvariable('source'), f.currency, f.rate, f.rate_at, getvariable('started_at') FROM fetched f
ANTI JOIN store.fx_rate k ON k.source = getvariable('source') AND k.rate_at = f.rate_at;
