"""Copies between this computer and machines: by archive, or by the system's scp and rsync."""
