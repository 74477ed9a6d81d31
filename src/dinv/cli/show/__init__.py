"""How the command line shows things: progress, tables, `--format`."""
