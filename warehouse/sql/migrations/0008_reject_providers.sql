-- The providers that a reject may be about; null: any.

ALTER TABLE store.reject ADD COLUMN providers VARCHAR[];
UPDATE store.reject j SET providers = [j.provider]
FROM store.run r JOIN store.provider p USING (source)
WHERE r.run_key = j.run_key AND p.provider = j.provider;
