"""The datacenter provisioner: Docker Datacenter, UCP (MKE 3) and DTR (MSR 2), on machines of a swarm."""
