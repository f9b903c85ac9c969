"""The application: command line, doctor, keys, supervisor."""
