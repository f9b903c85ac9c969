"""The pages: each module turns a market and the parameters of an address into what its template shows."""
