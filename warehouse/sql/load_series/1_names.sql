-- Who is named. In: brought. Out: seen_item, seen_provider, as sql/load/2_dimensions.sql takes them. What the past tells
-- is not `told`: it gives a key to what is new and renames nothing.

CREATE OR REPLACE TEMP TABLE seen_item AS
SELECT DISTINCT item_id, phase, market_hash_name, false AS told FROM brought;

-- candles have no provider
CREATE OR REPLACE TEMP TABLE seen_provider AS
SELECT DISTINCT provider FROM ((SELECT NULL::VARCHAR AS provider LIMIT 0) UNION ALL BY NAME FROM brought)
WHERE provider IS NOT NULL;
