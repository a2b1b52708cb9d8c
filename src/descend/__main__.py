"""`python -m descend` and the command `descend`."""

from __future__ import annotations

import sys

from descend.cli.app import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
