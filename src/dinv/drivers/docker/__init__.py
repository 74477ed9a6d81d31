"""The docker driver: machines as containers on a Docker endpoint.

driver.py       the Driver at the top, which no other file imports
site.py         one machine's endpoint, client, flavour and names; shared by all others
flags.py        its options of `create`
checks.py       the checks before anything is made
adoption.py     checks of a container made without dinv
image.py        the machine image on the endpoint
creation.py     making the container and its volumes
starting.py     starting it, and what can prevent that
replacement.py  recreating it from another image, for `upgrade`
removal.py      removing it, and what stays on purpose
status.py       the states of many machines, from one list of containers
containers.py   whose a container is; removing one
volumes.py      the machine's volumes
leftovers.py    files that a killed daemon has left
flavours/       how one machine is requested from different Docker APIs
network/        how a machine is reached: ports, addresses, networks
"""
