-- Macros that only the load and the views use are in the schema `store`.

DROP MACRO IF EXISTS main.is_change;
DROP MACRO IF EXISTS main.covers;
DROP MACRO IF EXISTS main.base_name;
