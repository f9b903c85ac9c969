COMMENT ON VIEW portfolio IS '
What you own, and what it is worth now: the lines of the file that `holdings` in `[warehouse]` names. Prices are those of one
copy, in the currency of the line; other currencies than USD are converted by the newest exchange rate. What cannot be valued
stays in the view, and `status` says why.

Example: SELECT item, quantity, cost, value, value_net, profit, status FROM portfolio ORDER BY line LIMIT 3';
COMMENT ON COLUMN portfolio.line IS 'the line of the file';
COMMENT ON COLUMN portfolio.item IS 'the item as the record calls it, or as the file does where the record does not have it';
COMMENT ON COLUMN portfolio.quantity IS 'the number of copies';
COMMENT ON COLUMN portfolio.bought_at IS 'the marketplace where they were bought, as the file has it';
COMMENT ON COLUMN portfolio.bought_on IS 'the day on which they were bought';
COMMENT ON COLUMN portfolio.currency IS 'the currency of the line, and of all prices in it';
COMMENT ON COLUMN portfolio.bought_price IS 'what one copy cost';
COMMENT ON COLUMN portfolio.cost IS 'what all copies cost';
COMMENT ON COLUMN portfolio.ask IS 'the best ask now';
COMMENT ON COLUMN portfolio.ask_at IS 'the marketplace of the best ask';
COMMENT ON COLUMN portfolio.bid IS 'the highest buy order now';
COMMENT ON COLUMN portfolio.bid_at IS 'the marketplace of the highest buy order';
COMMENT ON COLUMN portfolio.net IS 'the most that a sale leaves after the fee: listed at the lowest ask of a marketplace, or sold to its highest bid';
COMMENT ON COLUMN portfolio.net_at IS 'the marketplace of that sale';
COMMENT ON COLUMN portfolio.value IS 'all copies at the best ask';
COMMENT ON COLUMN portfolio.value_by_bid IS 'all copies at the highest buy order';
COMMENT ON COLUMN portfolio.value_net IS 'all copies at `net`';
COMMENT ON COLUMN portfolio.profit IS '`value_net` less `cost`';
COMMENT ON COLUMN portfolio.profit_share IS '`profit` divided by `cost`: 0.05 is 5%';
COMMENT ON COLUMN portfolio.change_1d IS 'how much the best ask has changed within 24 hours: 0.05 is 5% up';
COMMENT ON COLUMN portfolio.change_7d IS 'the same within 7 days';
COMMENT ON COLUMN portfolio.change_30d IS 'the same within 30 days';
COMMENT ON COLUMN portfolio.status IS '`valued`, `not listed`, `unknown item`, or `no exchange rate`';
