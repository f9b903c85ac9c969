COMMENT ON MACRO TABLE quotes_in IS '
The quotes in USD, converted by the newest rate of their source that is above 0. Where the source has no rate for the
currency, the newest rate of any source counts. The arithmetic is exact, and all rows of a source have the same rate.
Amounts are rounded like those of the API: half up, to two decimal places from 1.0 on and to eight below; dollars stay
as they are. The API may convert with another table than the one that was fetched: take the amounts as a good estimate
of the amounts of the API. Quotes that the API converted itself (`fx = "api"`) are in `quotes`, not here.

Example: SELECT item, provider, price, currency, rate, rate_at FROM quotes_in(''EUR'') ORDER BY price DESC LIMIT 3';
COMMENT ON COLUMN quotes_in.lowest_ask IS 'in minor units; null where the amount exceeds 64 bits';
COMMENT ON COLUMN quotes_in.price IS 'the converted amount; null where the product of price and rate exceeds 38 digits';
COMMENT ON COLUMN quotes_in.rate IS 'the rate that converted the row';
COMMENT ON COLUMN quotes_in.rate_at IS 'the time of the rate; null for dollars';
COMMENT ON COLUMN quotes_in.converted IS 'false for dollars';
