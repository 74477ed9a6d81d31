"""`python -m dinv`."""

from dinv.cli import run

if __name__ == "__main__":
    run()
