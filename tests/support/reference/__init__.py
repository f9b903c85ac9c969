"""Write the reference of the views, docs/warehouse.md, from the comments of the database."""
