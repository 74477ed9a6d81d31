"""The program that runs in a machine under the name k3s; what it follows: ../__init__.py."""
