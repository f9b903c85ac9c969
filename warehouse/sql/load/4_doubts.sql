-- What stands in the way of taking absence for vanishing. In: reject, down_key. Out: reject_key, down_provider.

INSERT INTO store.reject
SELECT reject_id, getvariable('run_key'), currency, delivery, observed_at::TIMESTAMPTZ, reason, raw, NULL FROM reject;

-- whom the broken rows are about, as far as they still say so
CREATE OR REPLACE TEMP TABLE reject_key AS
SELECT r.shard, i.item_key, p.provider_key
FROM reject r
LEFT JOIN store.item i ON i.source = getvariable('source') AND i.item_id = r.item_id
LEFT JOIN store.provider p ON p.source = getvariable('source') AND p.provider = r.provider;

CREATE OR REPLACE TEMP TABLE down_provider AS
SELECT p.provider_key FROM down_key d
JOIN store.provider p ON p.source = getvariable('source') AND p.provider = d.provider;

CREATE OR REPLACE TEMP TABLE late AS FROM incoming LIMIT 0;
