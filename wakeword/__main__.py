"""`python -m wakeword` is the command line."""

import sys

from wakeword.cli import main

if __name__ == "__main__":
    sys.exit(main())
