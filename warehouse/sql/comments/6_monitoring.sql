COMMENT ON VIEW stale_quotes IS '
The quotes that are not `fresh`: without an observation for three intervals of their basket.

Example: SELECT item, provider, currency, price, observed_at, fresh_until FROM stale_quotes';
COMMENT ON COLUMN stale_quotes.fresh_until IS 'three intervals after the last observation';

COMMENT ON VIEW coverage IS '
How many of the items of a source each marketplace lists in a currency and delivery, and how many of these quotes are
fresh. One row counts one currency and one delivery; aggregates count nowhere.

Example: SELECT provider, currency, delivery, listed, fresh, items, round(share, 2) AS share FROM coverage
ORDER BY ALL';
COMMENT ON COLUMN coverage.listed IS 'the number of quotes';
COMMENT ON COLUMN coverage.fresh IS 'the number of fresh quotes';
COMMENT ON COLUMN coverage.items IS 'the number of the known items of the source, without aggregates';
COMMENT ON COLUMN coverage.share IS '`listed` divided by `items`: the listed share, fresh or not, of the items that the
source has ever reported; at most 1';
COMMENT ON COLUMN coverage.observed_at IS 'the newest observation of any of the quotes';
