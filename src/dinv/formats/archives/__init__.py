"""Tar streams: packed from files here, renamed on their way between machines, unpacked here.

Everything is streamed: only a piece of a file is in memory. Permission bits and modification times are
kept, set-id and sticky bits are not. What arrives is owned by root in a machine and by the user here.
Symbolic links stay links. Sockets, pipes and devices are left out, with a warning.
"""
