"""`ls`: which machines there are, and what state they are in."""
