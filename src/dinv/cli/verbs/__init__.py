"""One file a verb: its arguments, one call of the library, its output."""
