"""`ls`: the machines of a store and their states."""
