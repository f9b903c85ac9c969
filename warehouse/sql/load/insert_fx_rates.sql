-- Insert the exchange rates that the run fetched; a table that the store already holds stays as it is.
-- In: catalog_fx. Out: store.fx_rate.

INSERT INTO store.fx_rate
SELECT getvariable('source'), c.currency, c.rate, c.moment, getvariable('started_at') FROM catalog_fx c
ANTI JOIN store.fx_rate k ON k.source = getvariable('source') AND k.rate_at = c.moment;
