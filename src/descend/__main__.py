"""`python -m descend` and the command `descend`."""

from __future__ import annotations

import atexit
import gc
import os
import signal
import sys

# What is loaded stays: looking through it for garbage is a twentieth of a short run.
gc.disable()
try:
    # From the first moment on, SIGTERM is as Ctrl-C.
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    # From here, and not from the depth of our own modules: Python keeps its frames in pieces of
    # 16 KB, and where NumPy's many small calls meet the end of one, each of them maps a new piece.
    import numpy  # noqa: F401

    from descend.cli.app import main as run
except KeyboardInterrupt:  # while the program is still starting
    sys.exit(130)
finally:
    gc.freeze()
    gc.enable()

__all__ = ["main"]


def main() -> int:
    """Run the command line and leave, with its exit code.

    The interpreter is not taken down piece by piece, which takes a tenth of a short run: what was
    to be done at the end is done, what was written is written, and the process ends.
    """
    code = run()
    try:
        for number in (signal.SIGINT, signal.SIGTERM):  # all is done
            signal.signal(number, signal.SIG_IGN)
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
