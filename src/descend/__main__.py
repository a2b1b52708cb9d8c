"""`python -m descend` and the command `descend`."""

from __future__ import annotations

import sys

try:
    from descend.cli.app import main
except KeyboardInterrupt:  # while the program is still starting
    sys.exit(130)

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
