"""Docker API endpoints that machines are made on: which one is meant, and how it is reached."""
