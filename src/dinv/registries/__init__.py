"""Private registries that a machine's daemon trusts."""
