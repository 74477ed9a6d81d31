"""How a machine on a Docker endpoint is reached: its network, its ports, its subnets."""
