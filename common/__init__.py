"""What every package may import: errors, time, text, files. Imports nothing of ours."""
