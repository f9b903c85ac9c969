-- A quote that only points list ends for the best asks a day after its last point: no observation would ever end it.

-- When the last state of such a quote ends for the best asks, unless an observation ends it before.
ALTER TABLE store.filled_state ADD COLUMN known_to TIMESTAMPTZ;

-- After this migration, the writer computes the gaps of these items anew.
INSERT INTO store.stale_filling SELECT DISTINCT item_key FROM store.filled_state WHERE valid_to IS NULL;
