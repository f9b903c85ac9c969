-- What the later steps report, empty where they have nothing to do, and the names that are known. Out: name_key.

CREATE OR REPLACE TEMP TABLE contract_change (
    item_id VARCHAR, was_name VARCHAR, was_phase VARCHAR, market_hash_name VARCHAR, phase VARCHAR
);

CREATE OR REPLACE TEMP TABLE name_key AS
SELECT item_id, TRY_CAST(item_id AS BIGINT) AS number, coalesce(phase, '') AS phase, market_hash_name, item_key
FROM store.item WHERE source = getvariable('source');
