"""What holds for the unit tests."""

from __future__ import annotations

from hypothesis import settings

# The computers that run tests are shared: how long one example takes says nothing.
settings.register_profile("dinv", deadline=None)
settings.load_profile("dinv")
