-- Write which marketplaces this run accepts as they are. In: accepted. Out: store.acceptance.

INSERT INTO store.acceptance
SELECT getvariable('run_key'), provider_key, getvariable('started_at')
FROM accepted JOIN store.provider USING (provider) WHERE source = getvariable('source');
