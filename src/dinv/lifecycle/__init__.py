"""What happens to a machine, from create to remove: one operation a file."""
