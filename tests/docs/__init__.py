"""Tests of the documents: their site, what they name, what they leave out, and their examples."""
