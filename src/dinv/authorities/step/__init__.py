"""The authority "step": smallstep's step-ca. `authority.py` is it, `client.py` speaks to the server."""
