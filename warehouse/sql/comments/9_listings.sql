COMMENT ON VIEW listings IS '
The offers of single copies that SkinShark lists, of the items of baskets with `listings = true`: one row per offer, as the
last answer that had it showed it. An offer sold, or was taken down, between `last_seen` and `gone_at`. After a walk that ended
at its cap, an offer that the walk did not have is never called gone. A walk that finds no offers at all counts when the next
whole walk finds none either.

Example: SELECT item, price, wear, first_seen, last_seen, gone_at, state FROM listings ORDER BY price LIMIT 3';
COMMENT ON COLUMN listings.item IS 'the item with the phase of the copy: NAME, or NAME @ PHASE';
COMMENT ON COLUMN listings.phase IS 'of a Doppler or Gamma Doppler, as the offer has it';
COMMENT ON COLUMN listings.listing_id IS 'the id that SkinShark gives the offer';
COMMENT ON COLUMN listings.price IS 'in US dollars';
COMMENT ON COLUMN listings.delivery IS '`instant` or `standard`';
COMMENT ON COLUMN listings.wear IS 'the float value, with all digits of the API';
COMMENT ON COLUMN listings.paint_seed IS 'the seed of the pattern';
COMMENT ON COLUMN listings.paint_index IS 'the number of the finish, which tells the phases of a Doppler apart';
COMMENT ON COLUMN listings.fade IS 'the percentage of a fade';
COMMENT ON COLUMN listings.hardened IS 'the pattern of a Case Hardened, as SkinShark names it';
COMMENT ON COLUMN listings.stickers IS 'JSON as the API has it';
COMMENT ON COLUMN listings.charm IS 'JSON as the API has it';
COMMENT ON COLUMN listings.name IS 'the name that SkinShark shows for the copy';
COMMENT ON COLUMN listings.not_before IS 'the end of the last whole walk before `first_seen`, which did not have the offer; null where there was none';
COMMENT ON COLUMN listings.first_seen IS 'the time of the first answer that had the offer';
COMMENT ON COLUMN listings.last_seen IS 'the time of the last answer that had the offer';
COMMENT ON COLUMN listings.gone_at IS 'the end of the first whole walk after `last_seen`, which did not have the offer any more; of an empty walk, only where the next one was empty, too';
COMMENT ON COLUMN listings.state IS '`listed`; `gone`: sold or taken down; `missing`: a walk that ended at its cap went past its price without it, so that it went or became more expensive; `unknown`: it is beyond the cap of the last walk, or that walk found no offers at all';
