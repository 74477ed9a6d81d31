"""The user's shell: what `env` sets, names to call dinv by, completion."""
