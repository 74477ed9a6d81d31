"""The operations on a machine, from create to remove, one per file."""
