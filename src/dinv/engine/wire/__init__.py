"""How an engine is spoken to: sockets, TLS, ssh, HTTP, streams."""
