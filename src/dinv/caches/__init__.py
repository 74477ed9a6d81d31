"""Registry caches: pull-through registries on an endpoint, for the machines there."""
