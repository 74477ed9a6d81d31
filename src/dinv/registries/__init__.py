"""Private registries, as a machine's daemon has to know them."""
