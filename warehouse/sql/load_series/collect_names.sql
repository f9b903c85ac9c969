-- Collect the items and providers that the rows name, for load/assign_keys.sql. In: staged_row. Out: named_item,
-- named_provider. The past uses old names: they are not current, so that a new item gets a key and nothing is renamed.

CREATE OR REPLACE TEMP TABLE named_item AS
SELECT DISTINCT item_id, phase, market_hash_name, false AS is_current, NULL::TIMESTAMPTZ AS named_at FROM staged_row;

-- Candles have no provider.
CREATE OR REPLACE TEMP TABLE named_provider AS
SELECT DISTINCT provider FROM ((SELECT NULL::VARCHAR AS provider LIMIT 0) UNION ALL BY NAME FROM staged_row)
WHERE provider IS NOT NULL;
