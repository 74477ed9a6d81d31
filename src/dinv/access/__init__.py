"""Access to a machine: commands, files, mounts, ports, images."""
