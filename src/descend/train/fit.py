"""`fit`: a model, data, and everything else by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from descend.graph.program import Control
from descend.methods.table import as_loss, as_optimizer
from descend.train.job import Job, Settings
from descend.train.problem import formula_problem, function_problem
from descend.train.rows import prepared_rows
from descend.train.run import Course, Watch, drive
from descend.train.start import given_start
from descend.train.stopping import Rules


def fit(model, x=None, y=None, *, start=None, loss="mse", optimizer="lm", batch_size=None, shuffle=False,
        epochs=1000, stop_loss=None, seed=0, engine="native"):
    if isinstance(model, str):
        problem = formula_problem(model, x, y, start)
    else:
        problem = function_problem(model, x, y)
    rows = prepared_rows(problem, None, None, "raise")
    begin = given_start(problem.parameters, start, problem.defaults, problem.columns)
    limits = {} if stop_loss is None else {"stop_loss": stop_loss}
    settings = Settings(as_loss(loss), as_optimizer(optimizer), Rules(limits), batch_size, shuffle,
        engine=engine)
    job = Job(problem, settings, begin, rows)
    built, new = job.build()
    leaves = job.find_start(built)
    bound = job.bindings(built, job.first_state(leaves))
    control = Control(epochs, seed)
    course = Course(built.descent.records)
    steps = -(-rows.n_rows // (batch_size or rows.n_rows))
    ending = drive(built.runner, bound, control, course, steps, Watch(), 100)
    return built, bound, control, course, ending
