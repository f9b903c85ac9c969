-- A column without a comment of its own has the first comment of these files for a column of its name.

COMMENT ON VIEW quotes IS '
The quotes that are listed, as far as that is known. `fresh` says whether a quote still counts as "now". An ask of 0
or with the quantity 0 stays here as it came; `best_ask` and `spreads` leave it out.

Example: SELECT item, provider, price, quantity, fresh FROM quotes WHERE currency = ''USD'' ORDER BY price DESC LIMIT 4';
COMMENT ON COLUMN quotes.item IS '`NAME` or `NAME @ PHASE`; never null: join by it';
COMMENT ON COLUMN quotes.source IS 'the configured name of the account';
COMMENT ON COLUMN quotes.provider IS 'the key of the marketplace';
COMMENT ON COLUMN quotes.item_id IS 'the id that the source gives the item, as text';
COMMENT ON COLUMN quotes.market_hash_name IS 'the name of the item, without its phase';
COMMENT ON COLUMN quotes.phase IS 'of a Doppler or Gamma Doppler; null for an item without phases and for the aggregate';
COMMENT ON COLUMN quotes.currency IS 'ISO 4217, or the code of a coin';
COMMENT ON COLUMN quotes.delivery IS 'how an order is filled: `standard` or `instant`';
COMMENT ON COLUMN quotes.lowest_ask IS 'the lowest ask in minor units (hundredths), from the API';
COMMENT ON COLUMN quotes.price IS 'the same amount as the minor units, exact';
COMMENT ON COLUMN quotes.quantity IS 'the number of listed copies; null where the source reports none';
COMMENT ON COLUMN quotes.changed_at IS 'the newest `timestamp` that the API reported for this state, which can be later
than the run that stored it; where the API has none, the first observation of this state';
COMMENT ON COLUMN quotes.last_updated IS 'the time of the last refresh by the API, from the run that stored this state';
COMMENT ON COLUMN quotes.observed_at IS 'the last observation that returned the quote: the end of a complete one, else
the time of the page';
COMMENT ON COLUMN quotes.run_id IS 'the run that stored this row';
COMMENT ON COLUMN quotes.url IS 'the page of the marketplace, where the source reports one';
COMMENT ON COLUMN quotes.aggregate IS 'whether this is the entry without a phase of an item with phases';
COMMENT ON COLUMN quotes.fresh IS 'whether the quote still counts as "now": see "What now means"';

COMMENT ON VIEW quote_history IS '
Every change of a quote. A quote that is not listed any more is closed: its last row has a null price and the quantity
0. In coverage gaps, the changes come from `price_points`: see "Coverage gaps".

Example: SELECT provider, price, quantity, valid_from, valid_to FROM quote_history
WHERE item = ''AK-47 | Redline (Field-Tested)'' AND currency = ''USD'' ORDER BY valid_from DESC, provider LIMIT 5';
COMMENT ON COLUMN quote_history.price IS 'the exact price; null: the quote is closed, and `quantity` is 0';
COMMENT ON COLUMN quote_history.valid_from IS 'the first observation of this state';
COMMENT ON COLUMN quote_history.valid_to IS 'the next change, which this state excludes; null: this state is current';
COMMENT ON COLUMN quote_history.origin IS 'the flow of the run: `snapshot`, `replay`, `backfill`';

COMMENT ON MACRO TABLE quote_history_since IS '
The rows of `quote_history` that hold at a time, or began later. The macro reads no file of a sealed month that ended before this
time.

Example: SELECT item, provider, price, valid_from, valid_to FROM quote_history_since(''2026-06-02 12:30:00Z'')
WHERE currency = ''USD'' ORDER BY price DESC, item, provider, valid_from LIMIT 4';

COMMENT ON MACRO TABLE quotes_as_of IS '
The quotes that were listed at a time: of each quote the newest change at or before that time, unless it closed the
quote.

Example: SELECT item, provider, price, quantity, valid_from FROM quotes_as_of(''2026-06-02 12:30:00Z'')
WHERE currency = ''USD'' ORDER BY price DESC LIMIT 4';

COMMENT ON VIEW bids IS '
The highest buy order for each item, where a basket requests bids (`bids = true`). The views of quotes contain no bids.

Example: SELECT item, provider, price, num_bids, observed_at FROM bids ORDER BY price DESC LIMIT 3';
COMMENT ON COLUMN bids.highest_bid IS 'the highest bid in minor units';
COMMENT ON COLUMN bids.num_bids IS 'the number of buy orders; null where the source reports none';

COMMENT ON VIEW bid_history IS '
Every change of a bid.

Example: SELECT item, provider, price, num_bids, valid_from, valid_to FROM bid_history
ORDER BY valid_from DESC, item, provider LIMIT 3';
COMMENT ON COLUMN bid_history.price IS 'the exact bid; null: the bid is closed';
