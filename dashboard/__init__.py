"""The market and the collection in a browser, and as one file: charts, pages, the server and the report."""
