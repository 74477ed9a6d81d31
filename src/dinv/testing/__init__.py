"""What dinv ships for other projects' tests: a pytest fixture with a Docker host of its own (plugin.py)."""
