"""What `dinv image` prints, and what its actions take."""
