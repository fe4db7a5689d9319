"""``python -m decnp`` is the ``decnp`` command."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
