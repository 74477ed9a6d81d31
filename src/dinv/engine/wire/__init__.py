"""The transport and protocol of an engine: sockets, TLS, ssh, HTTP, streams."""
