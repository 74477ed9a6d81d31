"""What is done on endpoints, by dinv's own library."""
