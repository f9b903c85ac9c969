-- Write what was removed, whether it was listed or not. In: removal. Out: store.removal.

INSERT INTO store.removal
SELECT getvariable('run_key'), quote_key, removed_at FROM removal ORDER BY quote_key;
