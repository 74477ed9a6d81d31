"""What dinv ships for the tests of others: a pytest fixture with a Docker host of its own (plugin.py)."""
