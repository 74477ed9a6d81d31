"""Pools: machines that are made before anybody asks for one, and claimed in a fraction of a second."""
