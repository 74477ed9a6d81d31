"""The docker driver: machines as containers on a Docker endpoint.

driver.py       the Driver on top, which nothing below imports
site.py         where one machine is: its endpoint, client, flavour, names; what all others share
flags.py        what `create` takes for it
checks.py       what is looked at before anything is made
adoption.py     a container that somebody else made, looked at
image.py        the machine image on the endpoint
creation.py     the container and its volumes, made
starting.py     started, with what stands in the way
replacement.py  made anew from another image, for `upgrade`
removal.py      removed, with what stays on purpose
status.py       the states of many machines, from one list of containers
containers.py   whose a container is; removing one
volumes.py      the machine's volumes
leftovers.py    files that a killed daemon has left
flavours/       how one machine is asked of different Docker APIs
network/        how a machine is reached: ports, addresses, networks
"""
