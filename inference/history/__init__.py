"""What the worker remembers beyond the moment, in one SQLite file."""
