"""The authority "vault", for the PKI of Vault and OpenBao: `authority.py`. `client.py` has the calls."""
