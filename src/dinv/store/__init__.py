"""Machines on disk: the directory, its locks, and the record of each machine."""
