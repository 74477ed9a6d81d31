"""Virtual machines: a machine image as a disk that boots, and the disk with the certificates for it."""

FORMATS = ("qcow2", "raw", "tar")
"""What an image is exported as."""
CERTIFICATE_FORMATS = ("certificates", "userdata")
"""What brings a virtual machine its certificates: a disk; or user data, for LinuxKit."""
