"""Machine images on an endpoint: built from the sources, listed, pushed to a registry."""
