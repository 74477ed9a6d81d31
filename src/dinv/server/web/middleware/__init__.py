"""What every request passes, from the outside in: see `dinv.server.web.app`."""
