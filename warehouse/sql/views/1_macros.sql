-- Macros that the load and the views share.

-- Whether a quote changed. A converted amount moves with the exchange rate at every refresh, so outside USD only the
-- quantity, a return to the listing, or a newer `timestamp` of the API (compared by the second) is a change. Where the
-- API gives no `timestamp` at all, the amount decides. A quantity is null where the source does not report one.
CREATE OR REPLACE MACRO store.is_change(currency, was_price, was_quantity, was_changed_at, price, quantity, changed_at) AS
    (was_price IS NULL) <> (price IS NULL)
    OR was_quantity IS DISTINCT FROM quantity
    OR CASE
        WHEN currency = 'USD' THEN was_price <> price
        WHEN was_changed_at IS NULL AND changed_at IS NULL THEN was_price <> price
        WHEN was_changed_at IS NULL OR changed_at IS NULL THEN changed_at IS NOT NULL
        ELSE date_trunc('second', changed_at) > date_trunc('second', was_changed_at)
    END;

-- Whether an observation of everything includes an item: a `listing` includes aggregates, a `catalog` does not.
CREATE OR REPLACE MACRO store.covers(selection, aggregate) AS
    selection = 'listing' OR (selection = 'catalog' AND NOT aggregate);

CREATE OR REPLACE MACRO store.base_name(market_hash_name) AS split_part(market_hash_name, ' | ', 1);

-- The name of an item that is never null: the phase is part of it. A join by market_hash_name and phase would drop
-- every item without a phase, because null equals nothing.
CREATE OR REPLACE MACRO store.item_of(market_hash_name, phase) AS
    CASE WHEN phase IS NULL THEN market_hash_name ELSE market_hash_name || ' @ ' || phase END;

-- 14 digits times 0.01 are computed in 64 bits, which is faster than to read a stored price. More digits are no price
-- that a DECIMAL(20, 8) can hold: null.
CREATE OR REPLACE MACRO store.price_of(minor_units) AS
    (TRY_CAST(minor_units AS DECIMAL(14, 0)) * 0.01)::DECIMAL(20, 8);

-- The price of a row that stores it in `other_price` only where it differs from its minor units.
CREATE OR REPLACE MACRO store.price_by(other_price, minor_units) AS coalesce(other_price, store.price_of(minor_units));

-- A text for searches: lower case, without accents, and one blank in the place of all that is no letter and no digit.
CREATE OR REPLACE MACRO store.fold(text) AS
    lower(trim(regexp_replace(strip_accents(nfc_normalize(text)), '[^\p{L}\p{N}]+', ' ', 'g')));

-- The names in a text, as in 'steam, buff163', or in a list.
CREATE OR REPLACE MACRO store.names_in(names) AS regexp_extract_all(names::VARCHAR, '[^][, ''"]+');

-- UTC days as numbers since 1970, whatever the session's time zone is.
CREATE OR REPLACE MACRO store.day_number(moment) AS epoch_us(moment::TIMESTAMPTZ) // 86400000000;

CREATE OR REPLACE MACRO store.number_of(day) AS day::DATE - DATE '1970-01-01';

CREATE OR REPLACE MACRO store.day_of(number) AS DATE '1970-01-01' + number::INTEGER;

CREATE OR REPLACE MACRO store.start_of(number) AS to_timestamp((number * 86400)::DOUBLE);
