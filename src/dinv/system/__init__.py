"""This computer, as dinv uses it: files, locks, processes, programs, routes. Nothing here knows a machine."""
