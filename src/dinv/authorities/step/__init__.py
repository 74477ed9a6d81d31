"""The authority "step", for smallstep's step-ca: `authority.py`. `client.py` speaks to the server."""
