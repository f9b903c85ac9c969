"""The shared ground of all packages: errors, clock, time ranges, text, files. Imports no other package."""
