-- The digest of the views' text. Views are created again only where it differs: that takes 0.1 seconds of every load.

CREATE TABLE store.views_made (digest VARCHAR NOT NULL);
