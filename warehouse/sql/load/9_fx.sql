-- The exchange rates that were fetched on the way; a table that is held already stays as it is. In: catalog_fx.

INSERT INTO store.fx_rate
SELECT getvariable('source'), c.currency, c.rate, c.moment, getvariable('started_at') FROM catalog_fx c
ANTI JOIN store.fx_rate k ON k.source = getvariable('source') AND k.rate_at = c.moment;
