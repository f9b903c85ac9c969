"""Charts as SVG, drawn from plain data. Pure: no database, no files, no clock."""
