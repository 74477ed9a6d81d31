"""Into a machine and out of it: commands, files, mounts, ports, images."""
