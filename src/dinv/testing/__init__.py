"""Test doubles and pytest fixtures that ship with dinv."""
