"""``python -m clicknb``: the command line."""

import sys

from clicknb.cli import main

if __name__ == "__main__":
    sys.exit(main())
