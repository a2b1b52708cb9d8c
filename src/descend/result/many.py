"""The results of many fits: arrays over the fits, with a status for each of them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

import numpy as np

from descend.compile.many_native import ManyArrays
from descend.data.cubes import Layout
from descend.errors import UsageError, ends_at_users_line, suggest
from descend.graph.program import RUNNING
from descend.lean import dataclass
from descend.methods.base import NOT_FINITE, Outcome
from descend.parameters.space import Space
from descend.program.lanes import ManyBuilt
from descend.records.many import BAD_DATA, OUTCOMES, VERDICTS_OF, OneFit, place_of
from descend.records.record import jsonable
from descend.run.many_job import CONVERGED, ManyJob, among, statuses
from descend.show.many import many_report
from descend.show.tables import write_table
from descend.visible import visible

__all__ = ["ManyFits", "recorded"]

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass
class ManyFits:
    """The results of many fits, each an array whose first axis counts the fits.

    Attributes:
        params: name → (fits, …).
        stderr: name → (fits, …); NaN where a fit has none.
        status: (fits,) codes, which `outcomes` explains.
        iterations: (fits,) evaluations of the model.
        loss, chi2: (fits,) the mean loss, and the sum of (residual/sigma)².
        dof: (fits,) points minus parameters.
        covariance: (fits, p, p) of the flat parameters, where it was asked for.
        keys: (fits,) what the fits are called, or None; by several columns, with a field for each.
        by: the column that they are from, or a tuple of several.
        starts, agreed: (fits,) from how many starts each descended, and how many of them arrived at
            the least loss; None where the run was interrupted before.
        n_further, n_mended: how many fits needed further starts, and how many these mended.
        n_closer: how many fits were not plainly well, and were looked at closer, as `fit` does.
        n_cut: of how many of these the search ended since its evaluations were spent.
        model, target: what was fitted to what.
        layout: where the fits lie, of data with named dimensions.
        seconds, threads, lanes: how long it took, on how much of the machine.
    """

    params: dict[str, Array]
    stderr: dict[str, Array]
    status: Array
    iterations: Array
    loss: Array
    chi2: Array
    dof: Array
    covariance: Array | None = None
    keys: Array | None = None
    by: str | tuple[str, ...] = "fit"
    model: str = ""
    target: str = "y"
    seconds: float = math.nan
    compile_seconds: float = 0.0
    threads: int = 1
    lanes: int = 1
    starts: Array | None = None
    agreed: Array | None = None
    n_further: int = 0
    n_mended: int = 0
    n_closer: int = 0
    n_cut: int = 0
    interrupted: bool = False
    warnings: list[str] = field(default_factory=list)
    outcomes: Mapping[int, Outcome] = field(default_factory=lambda: OUTCOMES)
    layout: Layout | None = None

    def __len__(self) -> int:
        return len(self.status)

    def __iter__(self) -> Iterator[OneFit]:
        return (self[fit] for fit in range(len(self)))

    def __getitem__(self, fit: int) -> OneFit:
        i = place_of(fit, len(self))
        outcome = self.outcomes[int(self.status[i])]
        return OneFit(
            i, None if self.keys is None else _key(self.keys[i]),
            {name: _plain(a[i]) for name, a in self.params.items()},
            {name: _plain(a[i]) for name, a in self.stderr.items()},
            outcome.name, outcome.message, VERDICTS_OF[int(self.status[i])], outcome.success,
            int(self.iterations[i]),
            float(self.loss[i]), float(self.chi2[i]), int(self.dof[i]),
        )  # fmt: skip

    @property
    def success(self) -> Array:
        """(fits,) whether each fit converged to parameters that its data determine."""
        good = [code for code, outcome in self.outcomes.items() if outcome.success]
        return np.isin(self.status, good)

    @property
    def verdict(self) -> Array:
        """(fits,) what the end of each fit means, in the words of the table of ends."""
        codes, inverse = np.unique(self.status, return_inverse=True)
        return np.array([VERDICTS_OF[int(c)] for c in codes], dtype=object)[inverse]

    @property
    def reduced_chi2(self) -> Array:
        """(fits,) chi² per degree of freedom; NaN where there is none."""
        return np.where(self.dof > 0, self.chi2 / np.maximum(self.dof, 1), np.nan)

    @property
    def fits_per_second(self) -> float:
        """How many fits a second were done, compiling left out."""
        done = int(np.count_nonzero(self.status != RUNNING))
        return done / self.seconds if self.seconds > 0 else math.nan

    def message(self, fit: int) -> str:
        """How a fit ended, in a sentence."""
        return self.outcomes[int(self.status[fit])].message

    def counts(self) -> dict[str, int]:
        """How many fits ended in which way, the most frequent first."""
        codes, numbers = np.unique(self.status, return_counts=True)
        order = np.argsort(-numbers, kind="stable")
        return {self.outcomes[int(codes[i])].name: int(numbers[i]) for i in order}

    @ends_at_users_line
    def where(self, status: str) -> Array:
        """The numbers of the fits that ended in this way.

        Raises:
            UsageError: no fit can end so.
        """
        codes = [code for code, outcome in self.outcomes.items() if outcome.name == status]
        if not codes:
            names = [outcome.name for outcome in self.outcomes.values()]
            raise UsageError(
                f'"{status}" is no status of a fit{suggest(status, names)}',
                remedy=f"they are {', '.join(names)}",
            )
        return np.flatnonzero(np.isin(self.status, codes))

    def columns(self) -> dict[str, Array]:
        """Everything as flat columns over the fits, as a table has them."""
        found = self.names() | self.numbers()
        names = {code: outcome.name for code, outcome in self.outcomes.items()}
        codes, inverse = np.unique(self.status, return_inverse=True)
        found["status"] = np.array([names[int(c)] for c in codes], dtype=object)[inverse]
        found |= {
            "verdict": self.verdict, "success": self.success, "iterations": self.iterations,
            "loss": self.loss, "chi2": self.chi2, "dof": self.dof,
        }  # fmt: skip
        return found

    def names(self) -> dict[str, Array]:
        """What the fits are called, as columns."""
        places = {} if self.layout is None else self.layout.columns()
        if places:
            return places
        if isinstance(self.by, str) or self.keys is None:
            own = np.arange(len(self)) if self.keys is None else self.keys
            return {self.by if isinstance(self.by, str) else "fit": own}
        return {name: self.keys[name] for name in self.by}

    def numbers(self) -> dict[str, Array]:
        """The parameters and their errors as flat columns."""
        found: dict[str, Array] = {}
        for prefix, arrays in (("", self.params), ("stderr_", self.stderr)):
            for name, array in arrays.items():
                flat = array.reshape(len(self), -1)
                for i, index in enumerate(np.ndindex(array.shape[1:])):
                    label = f"[{','.join(map(str, index))}]" if index else ""
                    found[f"{prefix}{name}{label}"] = flat[:, i]
        return found

    @ends_at_users_line
    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the columns to a file: `.parquet`, `.csv`, `.tsv` or `.json`, by its name.

        Raises:
            UsageError: another ending, a folder that is not there, or a disk that refuses.
        """
        write_table(self.columns(), path, "results of the fits")

    @ends_at_users_line
    def to_xarray(self) -> Any:
        """Return all results as an `xarray.Dataset`; xarray comes with `descend[xarray]`.

        It has a variable for each parameter, `<name>_stderr`, `status` with the meaning of its
        codes in `flag_values` and `flag_meanings`, `iterations`, `loss`, `chi2` and `dof`; and
        `covariance` over `cov_i` and `cov_j`, where it was asked for. They lie over the dimensions
        of the data that `dim` of `fit_many` did not name, whose coordinates are kept; of other data
        over one that counts the fits. Parameters are NaN where a fit was left out.

        Raises:
            UsageError: xarray is not installed, or a parameter is called as a coordinate is.

        >>> import numpy as np, descend
        >>> x = np.linspace(0.0, 1.0, 20)
        >>> fits = descend.fit_many("y = a*x", {"x": x}, [[1.0], [2.0]] * x)
        >>> fits.to_xarray()["a"].dims, fits.to_xarray()["a"].values
        (('fit',), array([1., 2.]))
        """
        from descend.result.cubes import dataset_of

        return dataset_of(self)

    def to_json_dict(self) -> dict[str, Any]:
        """All results as plain values, ready for `json.dumps(allow_nan=False)`."""
        found: dict[str, Any] = {"kind": "fits", "model": self.model, "n_fits": len(self)}
        found |= {"counts": self.counts(), "seconds": self.seconds, "threads": self.threads}
        found |= {"n_further_starts": self.n_further, "n_mended": self.n_mended}
        found["warnings"] = list(self.warnings)
        return jsonable(found | {"fits": self.columns()})  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        good = int(np.count_nonzero(self.success))
        return visible(f"<{len(self)} fits of {self.model}: {good} converged>")

    def pressed(self, space: Space | None) -> Array:
        """(fits,) whether a varied number lies on a bound that leaves it room."""
        found = np.zeros(len(self), bool)
        if space is None:
            return found
        for name, array in self.params.items():
            low, high = space.edges(name)
            if space.varies(name):
                on = ((array <= low) | (array >= high)) & np.not_equal(low, high)
                found |= on.reshape(len(self), -1).any(axis=1)
        return found

    def report(self) -> str:
        """A summary over all fits as text."""
        return many_report(self)

    __str__ = report


def recorded(
    job: ManyJob, built: ManyBuilt, arrays: ManyArrays, by: str | tuple[str, ...]
) -> ManyFits:
    """The record of fits that have run."""
    d = job.data
    made = dict(zip(built.results, arrays.results, strict=True))
    dof = job.dof()
    status = statuses(job, arrays.codes, arrays.iterations, made)
    lost = among(status, (RUNNING, NOT_FINITE, BAD_DATA))
    for name in ("loss", "chi2"):
        if name in made:
            made[name][lost] = np.nan
    leaves = list(job.start.leaves())
    errors = {n: made[f"stderr.{n}"] for n in leaves if f"stderr.{n}" in made}
    space = job.start.space
    for name in () if space is None else space.fixed & errors.keys():
        errors[name][:] = np.nan
    covariance = made.get("covariance")
    if "arrived" in made:
        unsound = ~(among(status, CONVERGED) & made["arrived"])
        for array in [*errors.values(), *([] if covariance is None else [covariance])]:
            array[unsound] = np.nan
    return ManyFits(
        {n: made[f"params.{n}"] for n in leaves}, errors, status.astype(np.int8),
        arrays.iterations, made["loss"], made.get("chi2", np.full(d.n_fits, np.nan)), dof,
        covariance, d.keys, by, d.problem.name, d.problem.target,
    )  # fmt: skip


def _key(key: Any) -> Any:
    """What a fit is called: by several columns, a tuple."""
    return key.item() if isinstance(key, np.void) else key


def _plain(value: Any) -> Any:
    return value if np.ndim(value) else float(value)
