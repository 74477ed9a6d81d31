"""The steps: each has `revision`, `down_revision` and `upgrade(op)`. There is no way back but a backup."""
