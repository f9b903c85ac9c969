COMMENT ON VIEW best_ask_history IS '
Where the best ask of an item changed, over all marketplaces and sources, by currency: each row is the ask that was the best
one from `valid_from` up to `valid_to`. No row covers a time at which nothing was listed. Every load keeps these rows; data
that arrives late corrects the past. `best_ask` says which asks count; one that went stale counts until then, and one that
only points list counts until a day after its last point.

Example: SELECT provider, price, quantity, valid_from, valid_to FROM best_ask_history
WHERE item = ''AK-47 | Redline (Field-Tested)'' AND currency = ''USD'' ORDER BY valid_from LIMIT 4';
COMMENT ON COLUMN best_ask_history.source IS 'the source that reports the ask';
COMMENT ON COLUMN best_ask_history.provider IS 'the marketplace that has the best ask';
COMMENT ON COLUMN best_ask_history.quantity IS 'the quantity listed there; null where the source reports none';
COMMENT ON COLUMN best_ask_history.valid_from IS 'when it became the best ask, or when its price or quantity changed';
COMMENT ON COLUMN best_ask_history.valid_to IS 'when another ask, or none, took its place; null while it is the best ask';
