"""The simulator's two sides: the port it listens on, and the engine behind it."""
