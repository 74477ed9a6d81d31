"""The docker driver: machines as containers on a Docker endpoint.

driver.py     the Driver: make, start, stop, remove, ask
flags.py      what `create` takes for it
checks.py     what is looked at before anything is made
image.py      the machine image on the endpoint
ports.py      which port is published, and by which addresses the machine is reached
flavours/     how one machine is asked of different Docker APIs
"""
