"""The table of plans, and which tasks have one."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Hashable
from types import FunctionType

from descend.compile.program import NativeProgram
from descend.run.build import Built
from descend.run.indices import has_checks
from descend.run.job import Job
from descend.run.plan import Plan
from descend.task.values import FLOAT, Values

__all__ = ["Plans", "can_be_planned"]

MOST_BYTES = 1 << 26  # of all plans of a table
MOST_DATA = 1 << 18  # bytes of data that are copied into memory


def can_be_planned(job: Job, built: Built) -> bool:
    """Whether a task asks for no more than arrays of float64, a start and a compiled program."""
    numbers = [*job.start.arrays.values(), *(job.rows.all().values() if job.rows else ())]
    return (
        isinstance(built.runner, NativeProgram)
        and built.model.training is None
        and job.key() is not None
        and not job.idle
        and not job.notes
        and not built.said
        and all(trace.is_pure_capture for trace in built.traces)
        and not job.settings.has_own_functions()
        and not job.settings.rules.keep_best
        and not (job.start.missing and job.space)
        and (job.rows is None or bool(job.rows.columns))
        and all(len(own) == 1 for own in job.start.names.values())
        and all(a.dtype is FLOAT for a in numbers)
        and sum(a.nbytes for a in numbers) <= MOST_DATA
        and not has_checks(built)
    )


class Plans:
    """The plans that were used last, by task, as far as they have room together.

    >>> plans = Plans()
    >>> plans.found(Values(len, "task", [], None, 1, 0)), len(plans)
    (None, 0)
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, Plan] = {}
        self._used = 0
        self._lock = threading.Lock()

    def found(self, values: Values) -> Plan | None:
        """The plan of a task, if there is one and its model is the same as it was."""
        try:
            plan = self._kept.get(values.task)
        except TypeError:  # something in the task cannot be compared
            return None
        if plan is None or not plan.serves(values.model):
            return None
        self._used += 1
        plan.used = self._used
        return plan

    def enter(self, values: Values, plan: Plan) -> None:
        """Keep a plan; those that were not used for longest make room for it."""
        task, model = values.task, values.model
        if type(model) is FunctionType:
            plan.model = weakref.ref(model, lambda _gone: self._forget(task, plan))
        with self._lock:
            self._used += 1
            plan.used = self._used
            self._kept[task] = plan
            over = self.size - MOST_BYTES
            for old, kept in sorted(self._kept.items(), key=lambda item: item[1].used)[:-1]:
                if over <= 0:
                    break
                over -= kept.size
                self._kept.pop(old, None)

    def _forget(self, task: Hashable, plan: Plan) -> None:
        """Drop the plan of a model that is no more."""
        if self._kept.get(task) is plan:
            self._kept.pop(task, None)

    @property
    def size(self) -> int:
        """Bytes of all plans, about."""
        return sum(plan.size for plan in [*self._kept.values()])

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)
