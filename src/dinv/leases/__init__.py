"""Machines whose time is limited: extended, removed when it is over, and made around one command.

extending.py   a machine's lease lasts longer
altering.py    it is another, or there is none any more
activity.py    how much a machine is used
reaping.py     what has run out is stopped or removed: machines of this store
strangers.py   the same of machines on an endpoint that this store has no record of
clocks.py      whether an endpoint's clock is believed
running.py     `dinv run`: a machine around one command
runs.py        which of them a running process keeps
"""
