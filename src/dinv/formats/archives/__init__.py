"""Tar streams: made from files here, renamed on their way between machines, unpacked here.

All of them flow: nothing holds more than a piece of a file. Permission bits and the time of the last change
travel, set-id and sticky bits do not; what arrives is owned by root in a machine and by the user here.
Symbolic links stay links. Sockets, pipes and devices are left out, with a warning.
"""
