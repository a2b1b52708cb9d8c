"""The example in work, on disk: what to look at when LLVM ends the whole process."""

import os
from pathlib import Path


def remember(example: object) -> None:
    """Write the example to the file that DESCEND_FUZZ_LAST names (one per process), if it does."""
    named = os.environ.get("DESCEND_FUZZ_LAST")
    if named:
        path = Path(f"{named}-{os.getpid()}.txt")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(example))
