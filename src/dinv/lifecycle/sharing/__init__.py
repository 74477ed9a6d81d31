"""Access to a machine for others: given, listed, taken away.

share.py       a certificate of somebody's own, and the file that it comes in
share_file.py  that file: a docker context, with what dinv has to know of it
received.py    a machine of somebody else's, imported from such a file
held.py        who has access to a machine, by its record of issuance
revoke.py      one certificate refused from now on, and its connections cut
"""
