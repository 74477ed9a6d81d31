"""The kubernetes provisioner: a machine that serves Docker and is a node of a Kubernetes cluster.

provisioner.py    the class; the other files are loaded by what changes a machine, or lists standings
options.py        its options
membership.py     its part in the cluster: part.py, what is known; checking.py, examining.py, joining.py,
                  working.py, leaving.py, what is done
distributions/    k3s, k0s, kubeadm: their files and command lines
requirements.py   what the endpoint's kernel has to have, found by probe.sh
api.py            the client of the Kubernetes API
servers.py        the machines of a cluster that this store knows
node.py           what a distribution is told of a machine, and the script that runs it there
kubeconfigs.py    the kubeconfig in the machine's directory, and the user's, and a server's own
"""

from __future__ import annotations

KUBECONFIG = "kubeconfig"
"""The name of the file in the machine's directory."""
