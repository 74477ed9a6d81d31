"""Keys and certificates: create, read, check."""
