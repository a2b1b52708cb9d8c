"""The two verbs: `record FILE` and `compare BEFORE AFTER`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.parity import facts
from tools.parity.compare import differences, explanations, listed, unexplained


def compare(before: Path, after: Path, explained: Path | None, every: bool) -> int:
    """List what differs and is not explained; 1 if there is any."""
    found = differences(facts.read(before), facts.read(after))
    known = explanations(explained.read_text(encoding="utf-8")) if explained else []
    left, used = unexplained(found, known)
    out = [f"{len(found)} differences, {len(found) - len(left)} of them explained"]
    out += [f"  {used[e]} × {e.kind} | {e.pattern}: {e.reason}" for e in known if used[e]]
    out += [f"  explains nothing: {e.kind} | {e.pattern}" for e in known if not used[e]]
    out += listed(left, every=every)
    sys.stdout.write("\n".join(out) + "\n")
    return 1 if left else 0


def main(words: Sequence[str] | None = None) -> int:
    """Read the words of the command line and do as they say."""
    parser = argparse.ArgumentParser(prog="python -m tools.parity", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("record", help="make all calls and write what came to FILE")
    one.add_argument("file", type=Path, help=".jsonl, or .gz to compress it")
    one.add_argument("--only", default="*", metavar="PATTERN", help="calls whose names fit")
    two = verbs.add_parser("compare", help="list what differs between two records")
    two.add_argument("before", type=Path)
    two.add_argument("after", type=Path)
    two.add_argument("--explained", type=Path, help="lines of `kind | pattern | reason`")
    two.add_argument("--all", action="store_true", help="name every call, not three a change")
    given = parser.parse_args(words)
    if given.verb == "record":
        from tools.parity.record import record  # which imports descend

        return record(given.file, given.only)
    return compare(given.before, given.after, given.explained, given.all)


if __name__ == "__main__":
    sys.exit(main())
