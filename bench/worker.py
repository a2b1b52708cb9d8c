"""One contestant in its own process: takes cases as JSON lines, answers with times and results.

usage: python bench/worker.py PEER     (started by run.py; `prepare` a case, then `time` it often)
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

from cases import Case


class Worker:
    def __init__(self, peer: str) -> None:
        self.peer = importlib.import_module(f"peers.{peer}")
        self.call: Callable[[], list[float]] | None = None
        self.case: Case | None = None

    def prepare(self, request: dict[str, Any]) -> dict[str, Any]:
        """Compile, check on a small part, warm up; say which part of the case will be timed."""
        case = Case(**request)
        refusal = self.peer.refuses(case)
        if refusal:
            return {"refused": refusal}
        limit = self.peer.LIMIT
        self.case = case if limit is None else case.part(limit)
        check = self.peer.prepare(case.small())()
        self.call = self.peer.prepare(self.case)
        self.call()
        return {"check": check, "case": dataclasses.asdict(self.case)}

    def time(self) -> dict[str, Any]:
        assert self.call is not None and self.case is not None
        start = time.perf_counter()
        parameters = self.call()
        seconds = time.perf_counter() - start
        visits = self.case.rows * self.case.epochs
        return {"ns": seconds / visits * 1e9, "seconds": seconds, "parameters": parameters}


def main() -> None:
    """Answers go to the true standard output; what the libraries print goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    worker = Worker(sys.argv[1])
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = worker.time() if request == "time" else worker.prepare(request)
        except Exception:
            answer = {"error": traceback.format_exc(limit=-3)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
