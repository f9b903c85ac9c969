-- What buying costs beyond the ask: a fraction of it, which the asks of a source may lack. Null: nothing.

ALTER TABLE store.provider ADD COLUMN buy_fee DOUBLE;
