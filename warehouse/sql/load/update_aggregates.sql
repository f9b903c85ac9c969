-- Write which aggregates the catalogs return. In: aggregate_in_catalog. Out: store.catalog_aggregate.

CREATE OR REPLACE TEMP TABLE new_aggregate AS
FROM aggregate_in_catalog EXCEPT FROM store.catalog_aggregate;

DELETE FROM store.catalog_aggregate WHERE (scope_key, quote_key) IN (SELECT (scope_key, quote_key) FROM new_aggregate);

INSERT INTO store.catalog_aggregate FROM new_aggregate;
