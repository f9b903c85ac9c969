-- The rules that the load and the views share.

-- The one rule of what a change is. A converted amount moves with FX on every refresh, so there only
-- quantity, a return, or a newer `timestamp` (compared to the second) counts; where the API gives no
-- `timestamp` at all the amount is all there is to go by. A quantity is null where the source tells none.
CREATE OR REPLACE MACRO is_change(currency, was_price, was_quantity, was_changed_at, price, quantity, changed_at) AS
    (was_price IS NULL) <> (price IS NULL)
    OR was_quantity IS DISTINCT FROM quantity
    OR CASE
        WHEN currency = 'USD' THEN was_price <> price
        WHEN was_changed_at IS NULL AND changed_at IS NULL THEN was_price <> price
        WHEN was_changed_at IS NULL OR changed_at IS NULL THEN changed_at IS NOT NULL
        ELSE date_trunc('second', changed_at) > date_trunc('second', was_changed_at)
    END;

-- What a look at everything holds: a source that lists all it has tells of aggregates too, a catalog does not.
CREATE OR REPLACE MACRO covers(selection, aggregate) AS
    selection = 'listing' OR (selection = 'catalog' AND NOT aggregate);

CREATE OR REPLACE MACRO base_name(market_hash_name) AS split_part(market_hash_name, ' | ', 1);

-- 16 digits times 0.01 are counted in 64 bits, sooner than a stored price is read; a price has room for 14.
CREATE OR REPLACE MACRO store.price_of(minor_units) AS (minor_units::DECIMAL(16, 0) * 0.01)::DECIMAL(20, 8);

-- A price as store.current keeps it: `other_price` where it is not what the minor units say.
CREATE OR REPLACE MACRO store.price_by(other_price, minor_units) AS coalesce(other_price, store.price_of(minor_units));
