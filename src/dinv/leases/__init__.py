"""Machines whose time is limited: extended, removed when it is over, and made around one command.

extending.py   a machine's lease lasts longer
altering.py    it is another, or there is none any more
activity.py    how much a machine is used
reaping.py     what has run out is stopped or removed: machines of this store
strangers.py   the same of machines on an endpoint that this store has no record of
reaped.py      what was done about one of them
warning.py     hooks are told of an end that is near
several.py     some at the same time
watching.py    what time it is on an endpoint, asked once
clocks.py      whether an endpoint's clock is believed
running.py     `dinv run`: a machine around one command
runs.py        which of them a running process keeps
"""
