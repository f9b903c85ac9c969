-- Dimensions, runs, observations, rejects, alerts and exchange rates.

CREATE OR REPLACE VIEW items AS
SELECT store.item_of(market_hash_name, phase) AS item, source, item_id, market_hash_name, phase, aggregate,
    base_name, item_type, item_subtype, weapon_type,
    skin_name, wear_name, collection, rarity_name, is_stattrak, is_souvenir
FROM store.item;

CREATE OR REPLACE VIEW providers AS SELECT * EXCLUDE (provider_key) FROM store.provider;

CREATE OR REPLACE VIEW runs AS
SELECT run_id, flow, source, basket, state, started_at, finished_at, requests, rows_fetched, rows_changed, rows_closed,
    rows_rejected, quota_remaining, incomplete_reason, interval_seconds, unknown_fields, request_id,
    loaded_at
FROM store.run;

CREATE OR REPLACE VIEW observations AS
SELECT r.run_id, s.source, s.currency, s.delivery, s.selection AS scope, p.provider,
    o.observed_from, o.observed_to, o.complete, o.reason, o.rows, o.newest_last_updated
FROM store.observation o
JOIN store.scope s USING (scope_key)
JOIN store.provider p USING (provider_key)
JOIN store.run r USING (run_key);

CREATE OR REPLACE VIEW rejects AS
SELECT j.reject_id, r.run_id, r.source, r.basket, j.currency, j.deliveries, j.provider, j.observed_at, j.reason, j.raw,
    j.replayed_run_id
FROM store.reject j JOIN store.run r USING (run_key);

CREATE OR REPLACE VIEW alerts AS SELECT * FROM store.alert;

CREATE OR REPLACE VIEW fx_rates AS SELECT source, currency, rate, rate_at, observed_at FROM store.fx_rate;
