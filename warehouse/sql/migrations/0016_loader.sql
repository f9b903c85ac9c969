-- The one loader of a shared warehouse; see warehouse/transactions.py. One row. In a file, no load reads or writes it.

CREATE TABLE store.loader (epoch BIGINT NOT NULL, written_at TIMESTAMPTZ NOT NULL);
INSERT INTO store.loader VALUES (0, now());
