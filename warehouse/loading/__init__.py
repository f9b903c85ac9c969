"""From a landing to the database, in one transaction."""
