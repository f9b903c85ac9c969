-- Store the rows that were rejected. In: reject, shard. Out: store.reject.

INSERT INTO store.reject BY NAME
SELECT r.reject_id, getvariable('run_key') AS run_key, r.currency, r.deliveries, r.provider,
    r.observed_at::TIMESTAMPTZ AS observed_at, r.reason, r.raw, y.run_id AS replayed_run_id, s.selection,
    r.item_id, r.market_hash_name, r.providers
FROM reject r
LEFT JOIN (SELECT shard, any_value(selection) AS selection FROM shard GROUP BY shard) s USING (shard)
LEFT JOIN (SELECT reject_id, min(run_id) AS run_id FROM store.replay GROUP BY reject_id) y USING (reject_id);
