"""A stand-in for k3s, in one executable file: no Kubernetes server can be had from PyPI, npm or Debian.

It is as strict as k3s in what dinv has to do with: the names of flags and of the configuration file, where
files are and their modes, tokens and who they let in, certificates, who is answered what by the API, what
keeps it from starting, and when a node is ready. It runs no containers. It follows k3s-io/k3s of 2025
(v1.33): pkg/cli/cmds (flags), pkg/configfilearg, pkg/clientaccess (tokens, kubeconfig), pkg/server (router,
auth, files), pkg/daemons/control (API server, CAs, users), pkg/cluster/bootstrap.go (servers that join),
pkg/agent (nodes that join, overlayfs), pkg/nodepassword, pkg/cgroups; and of kubernetes/kubernetes the
kubelet's start (/dev/kmsg, kernel settings), the node lifecycle controller and the printers. Each module of
`program` names its part.

Where it is stricter than k3s: a key of the configuration file that k3s would skip with a warning is fatal;
a certificate of another CA ends the TLS handshake, where k3s answers 401. Where it is simpler: etcd is a
file that the servers hand to each other, with etcd's rule of the majority, and learners (pkg/etcd/etcd.go,
join and manageLearners) that are looked at every 3 s, not every 15; a wrong agent token is answered like a
wrong server token.

The file is a shell script with an archive behind it: Python, what it needs of the standard library,
cryptography, PyYAML and their shared libraries, the loader as well, so that it runs in any image for this
processor that has sh, tail, gzip and tar.
"""

from __future__ import annotations

from k3s_stand_in.bundle import build

__all__ = ["build"]
