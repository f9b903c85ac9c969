-- The moment up to which the history was deleted (`keep_history`): no state is left that ended before. One row, or none.

CREATE TABLE store.kept_history (since TIMESTAMPTZ NOT NULL);
