COMMENT ON VIEW item_names IS '
The parts of the name of each item, to group and to search by: one row per item, whichever sources report it.

Example: SELECT item, family, wear, stattrak, search_text FROM item_names
WHERE search_text LIKE ''%ak 47%'' AND search_text LIKE ''%redline%'' ORDER BY item';
COMMENT ON COLUMN item_names.family IS 'the name without wear, StatTrak and Souvenir: weapon and skin';
COMMENT ON COLUMN item_names.wear IS '`Factory New` to `Battle-Scarred`; null for an item without wear';
COMMENT ON COLUMN item_names.stattrak IS 'whether the item counts kills';
COMMENT ON COLUMN item_names.souvenir IS 'whether the item is a souvenir of a match';
COMMENT ON COLUMN item_names.search_text IS 'the name and the phase in lower case, without accents, with one blank in the
place of all other characters';

COMMENT ON VIEW activity IS '
How much the collection did by the hour, from its runs. Backfills are left out: what they bring happened earlier.

Example: FROM activity ORDER BY hour DESC LIMIT 3';
COMMENT ON COLUMN activity.hour IS 'the start of the hour, in UTC, in which the runs started';
COMMENT ON COLUMN activity.runs IS 'the number of runs';
COMMENT ON COLUMN activity.unfinished IS 'the number of runs whose state is not `done`';
