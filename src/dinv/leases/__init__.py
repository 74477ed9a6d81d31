"""Machines whose time is limited: extended, removed when it is over, and made around one command.

extending.py   a machine's lease lasts longer
running.py     `dinv run`: a machine around one command
runs.py        which of them a running process keeps
"""
