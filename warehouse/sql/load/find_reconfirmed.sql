-- Find the quotes of store.unconfirmed with a row. In: staged_row, store.unconfirmed.
-- Out: reconfirmed_quote. Drops staged_row and staged_quote.

CREATE OR REPLACE TEMP TABLE reconfirmed_quote AS
SELECT quote_key FROM store.unconfirmed SEMI JOIN staged_row USING (quote_key);

-- No later step reads these rows, and the facts need the memory: no table of a load is larger.
DROP VIEW staged_quote;
DROP TABLE staged_row;
