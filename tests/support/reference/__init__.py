"""Write the generated parts of docs/: commands, configuration, views and the Python API."""
