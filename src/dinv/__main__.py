"""`python -m dinv`."""

import sys

from dinv.cli import main

if __name__ == "__main__":
    sys.exit(main())
