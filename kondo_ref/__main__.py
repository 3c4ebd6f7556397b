"""Run the command line as ``python -m kondo_ref``."""

import sys

from kondo_ref.cli import main

if __name__ == "__main__":
    sys.exit(main())
