"""The user's shell: the variables of `env`, other names for dinv, completion."""
