"""Machines of a dinv server (`dinv serve`): asked for there, and used from here.

calls.py       a call of its API
machines.py    its machines, by that API
signing_in.py  how somebody logs in
team_server.py what a store does with its server: `Machines.server`
driver.py      the Driver
shell.py       into a machine, by its own Docker API: its users have no rights on the endpoint

Which server a store is logged in to: `dinv.store.login`.
"""
