"""The pictures of the dashboard in the documents: `python -m tests.support.pictures` makes them again."""
