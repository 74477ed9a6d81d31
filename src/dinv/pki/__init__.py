"""Keys and certificates: made, read, checked."""
