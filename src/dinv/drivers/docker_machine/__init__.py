"""The machines that docker-machine made: one driver stands in for all of docker-machine's.

dinv has none of those drivers: it reads such a machine's record, connects to the daemon, enters the machine
by SSH, and never writes docker-machine's files. What needs the real driver (start, stop, ...) is refused with
the reason, as libmachine does for drivers that are missing (libmachine/drivers/errdriver).

facts.py   what the record says
driver.py  the driver
ssh.py     where its SSH server is, and who logs in
"""
