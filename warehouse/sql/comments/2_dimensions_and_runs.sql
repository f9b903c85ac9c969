COMMENT ON VIEW items IS '
Every item that a source reported.

Example: SELECT item, item_type, rarity_name, is_stattrak FROM items ORDER BY item LIMIT 4';
COMMENT ON COLUMN items.base_name IS 'the name without wear, from the source: different skins may share one';
COMMENT ON COLUMN items.item_type IS 'from the source, like the columns below; null where the source has none';
COMMENT ON COLUMN items.item_subtype IS 'the kind within `item_type`';
COMMENT ON COLUMN items.weapon_type IS 'the weapon';
COMMENT ON COLUMN items.skin_name IS 'the name of the finish';
COMMENT ON COLUMN items.wear_name IS 'the wear, as in `Field-Tested`';
COMMENT ON COLUMN items.collection IS 'the collection of the skin';
COMMENT ON COLUMN items.rarity_name IS 'the rarity';
COMMENT ON COLUMN items.is_stattrak IS 'whether the item counts kills';
COMMENT ON COLUMN items.is_souvenir IS 'whether the item is a souvenir of a match';

COMMENT ON VIEW providers IS '
The marketplaces. Fees and features are refreshed once a day, with the catalog.

Example: SELECT provider, name, market_type, sell_fee, health FROM providers ORDER BY provider';
COMMENT ON COLUMN providers.name IS 'the name of the marketplace';
COMMENT ON COLUMN providers.market_type IS 'in lower case: `store`, `p2p`, `escrow`, `trading` or `hybrid`';
COMMENT ON COLUMN providers.default_currency IS 'the currency of the marketplace itself';
COMMENT ON COLUMN providers.sell_fee IS 'a fraction of the price, for a sale to a buyer of a listing';
COMMENT ON COLUMN providers.insta_sell_fee IS 'a fraction of the price, for an instant sale to a bid';
COMMENT ON COLUMN providers.trading_spread_fee IS 'a fraction of the price, where items are swapped';
COMMENT ON COLUMN providers.buy_fee IS 'a fraction of the price, which buying costs beyond the ask: the fee of a merchant at SkinShark where the asks lack it';
COMMENT ON COLUMN providers.has_buy_orders IS 'whether the API has bids of the marketplace';
COMMENT ON COLUMN providers.has_recent_sales IS 'whether the API has sales of the marketplace';
COMMENT ON COLUMN providers.health IS 'the status that the API reports, in lower case: `up`, `degraded` or `down`';
COMMENT ON COLUMN providers.refreshed_at IS 'the start of the run that fetched the row';

COMMENT ON VIEW runs IS '
One row per run of a basket.

Example: SELECT run_id, basket, state, started_at, rows_fetched, rows_changed, rows_closed FROM runs
ORDER BY started_at DESC, run_id LIMIT 3';
COMMENT ON COLUMN runs.run_id IS 'the id of the run';
COMMENT ON COLUMN runs.flow IS '`snapshot`, `live`, `replay` or `backfill`';
COMMENT ON COLUMN runs.basket IS 'the name of the basket, or the id of the backfill';
COMMENT ON COLUMN runs.state IS '`done`, `incomplete`, `auth_failed`, `quota_exhausted`, `plan_forbids`, `failed`,
`unusable`, `cancelled`, `crashed`';
COMMENT ON COLUMN runs.started_at IS 'the start of the run';
COMMENT ON COLUMN runs.finished_at IS 'the end of the run; null where its process died';
COMMENT ON COLUMN runs.requests IS 'the number of requests that the run sent';
COMMENT ON COLUMN runs.rows_fetched IS 'the number of rows that the run fetched';
COMMENT ON COLUMN runs.rows_changed IS 'rows that its load added to the history, closures included';
COMMENT ON COLUMN runs.rows_closed IS 'quotes that its load closed';
COMMENT ON COLUMN runs.rows_rejected IS 'rows that could not be parsed';
COMMENT ON COLUMN runs.quota_remaining IS 'requests left of the month';
COMMENT ON COLUMN runs.incomplete_reason IS 'why the run is not complete';
COMMENT ON COLUMN runs.interval_seconds IS 'the `every` of the basket';
COMMENT ON COLUMN runs.unknown_fields IS 'JSON: fields outside of the contract of the API, each with its number of rows';
COMMENT ON COLUMN runs.request_id IS 'the id that the source gave the last request, where it gives any';
COMMENT ON COLUMN runs.loaded_at IS 'the time of the load';

COMMENT ON VIEW observations IS '
What a run observed, when, and whether completely: one row per run, scope and marketplace.

Example: SELECT run_id, scope, provider, currency, delivery, observed_to, complete, rows
FROM observations ORDER BY observed_to DESC, provider, delivery LIMIT 3';
COMMENT ON COLUMN observations.run_id IS 'the run that observed';
COMMENT ON COLUMN observations.scope IS '`catalog`, `listing`, `live` (what a feed told), or the digest of a set of items';
COMMENT ON COLUMN observations.observed_from IS 'the start of the observation';
COMMENT ON COLUMN observations.observed_to IS 'the end of the observation';
COMMENT ON COLUMN observations.complete IS 'whether quotes that are missing in the response are closed';
COMMENT ON COLUMN observations.reason IS 'why the observation is not complete';
COMMENT ON COLUMN observations.rows IS 'the number of fetched rows';
COMMENT ON COLUMN observations.newest_last_updated IS 'the newest `last_updated` of the rows';

COMMENT ON VIEW rejects IS '
Rows that could not be parsed. `floorline rejects replay` parses them again.

Example: SELECT provider, observed_at, reason, raw, replayed_run_id FROM rejects';
COMMENT ON COLUMN rejects.reject_id IS 'a digest of the row and its run';
COMMENT ON COLUMN rejects.run_id IS 'the run that fetched the row';
COMMENT ON COLUMN rejects.deliveries IS 'the deliveries of the request';
COMMENT ON COLUMN rejects.provider IS 'the marketplace, where the row or the request names one';
COMMENT ON COLUMN rejects.observed_at IS 'the time of the page that has the row';
COMMENT ON COLUMN rejects.reason IS 'why the row could not be parsed';
COMMENT ON COLUMN rejects.raw IS 'the original text of the row';
COMMENT ON COLUMN rejects.replayed_run_id IS 'the replay that parsed the row; null: none so far';

COMMENT ON VIEW alerts IS '
All alerts, open and closed; docs/alerts.md describes them.

Example: SELECT alert_id, cause, subject, message, opened_at, closed_at FROM alerts';
COMMENT ON COLUMN alerts.alert_id IS 'the number of the alert';
COMMENT ON COLUMN alerts.cause IS 'what happened, as in `quota.exhausted`';
COMMENT ON COLUMN alerts.subject IS 'what the alert is about, such as a basket or a marketplace; empty: the source';
COMMENT ON COLUMN alerts.code IS 'the code of the error, from the API';
COMMENT ON COLUMN alerts.message IS 'what happened, for people';
COMMENT ON COLUMN alerts.guidance IS 'what to do';
COMMENT ON COLUMN alerts.run_id IS 'the run that raised the alert last';
COMMENT ON COLUMN alerts.opened_at IS 'when the alert was raised first';
COMMENT ON COLUMN alerts.last_at IS 'when the alert was raised last';
COMMENT ON COLUMN alerts.repeats IS 'how often the alert was raised again';
COMMENT ON COLUMN alerts.closed_at IS 'when the alert was over; null: the alert is open';

COMMENT ON VIEW fx_rates IS '
The exchange rates that runs fetched (`fx = "table"`), each table once.

Example: FROM fx_rates ORDER BY currency LIMIT 3';
COMMENT ON COLUMN fx_rates.rate IS 'units of the currency for one US dollar, exact to 18 places';
COMMENT ON COLUMN fx_rates.rate_at IS 'the time of the table, from the API';
COMMENT ON COLUMN fx_rates.observed_at IS 'the start of the run that fetched the table';
