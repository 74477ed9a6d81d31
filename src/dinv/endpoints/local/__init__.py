"""dinv's own engine: a dockerd on this computer, for people who have none."""
