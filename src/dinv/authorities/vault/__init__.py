"""The authority "vault": the PKI of Vault and OpenBao. `authority.py` is it, `client.py` speaks to the server."""
