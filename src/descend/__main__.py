"""`python -m descend` and the command `descend`."""

from __future__ import annotations

import sys

__all__ = ["main"]

INTERRUPTED = 130


def main() -> int:
    """Run the command line; an interruption while it is still starting ends it quietly too."""
    try:
        from descend.cli.app import main as run

        return run()
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
