"""What the end of a descent means: one verdict, from which everything that is said follows.

What ended the run is known (`ending_of`). Here the place where it ended is judged: whether the
method arrived, whether a best value exists there at all, whether the data determine it, whether a
constant would explain as much. The status that comes out has one row in the table of ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from descend.graph.node import postorder
from descend.graph.program import EPOCHS_SPENT
from descend.judge.beside import all_sides_rise, downhill
from descend.judge.clear import clear_by_graph, ends_clearly
from descend.judge.ending import ending_of
from descend.judge.explained import (
    by_chance,
    can_walk,
    explained,
    explained_by_loss,
    has_grown,
    is_linear,
    least_share,
    leaves_noise,
)
from descend.judge.runaway import falling, runaways, sinking
from descend.judge.thresholds import staircases
from descend.judge.walk import Walk, walk_of
from descend.methods.base import FTOL, GTOL, PRECISION, STALLED, STATUS, UNBOUNDED, XTOL
from descend.parameters.reading import number_names
from descend.records.statuses import STATUSES
from descend.run.finished import Finished, Judgement
from descend.run.look import Look, learns
from descend.run.view import on_bounds
from descend.task.option_table import TOLERANCES
from descend.trust.complete import MOST_WITH_ERRORS
from descend.trust.covariance import NOT_ARRIVED
from descend.trust.passes import completion_of
from descend.trust.words import listed

__all__ = ["bound_said", "judged", "kink_said"]

Array = np.ndarray[Any, np.dtype[Any]]

BY_RULE = {FTOL: "no_improvement", XTOL: "parameters_still", GTOL: "gradient_small"}
"""What it is called where a method's own test was met, and it had not arrived."""
OVER = ("diverged", "interrupted")
TOO_LONG = "the predicted step is more than 1 % of a standard error"


def judged(run: Finished) -> Judgement:
    """Judge a finished run of any method."""
    said = _judged(run)
    return said if said.status in OVER or not learns(run.job) else _diagnosed(run, said)


def _diagnosed(run: Finished, said: Judgement) -> Judgement:
    """A judgement with what is wrong with a network or a classifier."""
    from descend.judge.diagnoses import FAILS, NOTED, diagnoses_of

    found = diagnoses_of(run)
    fails = [d.text for d in found if d.level == FAILS]
    others = [(_sentence(d.text), d.level) for d in found if d.level != FAILS]
    findings = (*said.findings, *(text for text, _ in others))
    warned = tuple(text for text, level in others if level != NOTED)
    if not fails or not STATUSES[said.status].success:
        texts = tuple(map(_sentence, fails))
        return said._replace(findings=(*texts, *findings), warned=warned)
    words = f"{fails[0]} ({run.unit} {run.control.epoch})"
    end = Judgement("side_minimum", words, "not judged", findings, warned)
    kept = end if run.job.problem.network is not None else _unless_kept(run, end)
    return kept if kept is not end else end._replace(status="constant", arrived="no")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].removesuffix(".") + "."


def _judged(run: Finished) -> Judgement:
    status, message = ending_of(run)
    if status in OVER or run.job.idle:
        return _plain(status, message, "no" if status == "diverged" else "not judged")
    if run.job.settings.optimizer.scope != "vector":
        return _of_first_order(run, status, message)
    kept = _judged_by_place(run, status, message)
    said = kept or _by_method(run, status, message, "not judged")
    return _to_a_step(run, said) if run.searched else said


def _to_a_step(run: Finished, said: Judgement) -> Judgement:
    """What is said of an end where numbers were searched for over the data's own values."""
    found = (*said.findings, *_step_found(run))
    if STATUSES[said.status].verdict not in ("minimum", "kink", "bound", "flat"):
        return said._replace(findings=found)
    words = f"converged: the data determine {listed(_named(run.searched))} to a step"
    at = f"({run.unit} {run.control.epoch})"
    return Judgement("flat", f"{words} {at}", said.arrived, found)


def _step_found(run: Finished) -> tuple[str, ...]:
    """The ranges in which the numbers may be that act through steps."""
    if not run.searched:
        return ()
    act, rows = "acts" if len(run.searched) == 1 else "act", run.job.rows
    names = listed(_named(run.searched))
    words = f"{names} {act} only through comparisons or rounding: searched for"
    if rows is not None and rows.beyond is not None:
        return (f"{words} over the values of {rows.n_rows:,} rows alone: others may be better.",)
    return (
        f"{words} over the data's own values, as good is every "
        f"{', and every '.join(run.searched)}.",
    )


def _unsearched(run: Finished) -> list[str]:
    """The numbers that act through steps only, and were not searched for."""
    named = _named(run.searched)
    leaves = {leaf: number_names(leaf, run.begin[leaf].shape) for leaf in staircases(run)}
    return [leaf for leaf, names in leaves.items() if not {*names} <= {*named}]


def _plain(status: str, message: str, arrived: str) -> Judgement:
    allowed = STATUSES[status].arrived
    return Judgement(status, message, arrived if arrived in allowed else allowed[-1])


def _of_first_order(run: Finished, status: str, message: str) -> Judgement:
    """A run of epochs: it goes as far as it was told to, and must not go up."""
    if status != "stop_loss" and has_grown(run):
        from descend.judge.growth import growth_message

        return Judgement("grew", growth_message(run), "no")
    idle = _unsearched(run)
    if idle:
        return _threshold(run, idle)
    return Judgement(status, message, "not judged", _step_found(run))


def _judged_by_place(run: Finished, status: str, message: str) -> Judgement | None:
    """The judgement of where a method with a test of its own ended; None if none can be made."""
    facts, code = run.facts, run.control.status
    idle = _unsearched(run)
    if idle:
        return _threshold(run, idle)
    if code == UNBOUNDED:
        return Judgement("runaway", message, "no")
    if status == "time_spent" and run.job.beyond is not None:
        return None  # a look at the place is a pass
    if not can_walk(run):
        if status == "converged" and clear_by_graph(run, Look.CURVED):
            return _plain(status, message, "yes")
        return _judged_by_loss(run, status, message)
    with np.errstate(all="ignore"):
        if status == "converged" and ends_clearly(run):
            return _plain(status, message, "yes")
        walk = walk_of(run)
        if not np.isfinite(walk.begin):
            return None
        arrived = facts.arrived if facts is not None else walk.has_arrived()
        found = _runaway(run, walk, arrived)
        if found is None and (arrived or code != EPOCHS_SPENT):
            found = _side(run, walk)
        if found is not None:
            return found
        if not arrived:
            return _by_method(run, status, message, "no")
        return _arrived(run, walk, status, message)


def _arrived(run: Finished, walk: Walk, status: str, message: str) -> Judgement:
    """A place where the loss is as low as it gets nearby: what kind of minimum it is."""
    facts, at = run.facts, f"({run.unit} {run.control.epoch})"
    if facts is not None and facts.kinks:
        names = listed(facts.kinks)
        found = (
            f"{names} ended at a kink, where the loss rises to every side without a slope of 0: "
            'errors by slopes do not hold there, fit.confidence(kind="profile") gives intervals.',
        )
        words = f"converged at a kink of {names}: the loss rises to every side {at}"
        return Judgement("kink", words, "yes", found)
    lost = _lost(walk)
    if lost:
        return _flat_said(run, lost)
    if _pushed(walk) and _pressed(run):
        return bound_said(run)
    if status != "converged" and not _is_rule(status):
        status, message = "converged", f"converged: no step lowers the loss further {at}"
    return _plain(status, message, "yes")


def _flat_said(run: Finished, lost: Sequence[str]) -> Judgement:
    """What is said of a minimum at which some numbers may be others."""
    at = f"({run.unit} {run.control.epoch})"
    return Judgement("flat", f"converged: the data do not determine {listed(lost)} {at}", "yes")


def bound_said(run: Finished) -> Judgement:
    """What is said of a minimum on a bound."""
    words = f"converged: {listed(_pressed(run))} on a bound ({run.unit} {run.control.epoch})"
    return Judgement("bound", words, "yes")


def _pressed(run: Finished) -> list[str]:
    """The numbers on a bound that leaves them any room."""
    space = run.job.space
    if space is None:
        return []
    return [
        name
        for leaf, array in run.leaves().items()
        if space.varies(leaf)
        for name, is_on, held in zip(
            number_names(leaf, array.shape), on_bounds(space, {leaf: array}),
            np.broadcast_to(space.held(leaf), array.shape).reshape(-1), strict=True,
        )
        if is_on and not held
    ]  # fmt: skip


def _pushed(walk: Walk) -> bool:
    """Whether the loss would fall beyond a bound."""
    return bool(np.any((walk.j.T @ walk.r)[walk.bound] != 0))


def _is_rule(status: str) -> bool:
    return STATUSES[status].verdict == "rule" and status not in ("epochs_spent", "time_spent")


def _lost(walk: Walk) -> list[str]:
    """The numbers that J does not determine."""
    names, errors = walk.number_names(), walk.errors()
    return [n for n, e, on in zip(names, errors, walk.bound, strict=True) if np.isinf(e) and not on]


def _by_method(run: Finished, status: str, message: str, arrived: str) -> Judgement:
    """What the method itself says, where the place was not judged, or is no minimum."""
    code, unit = run.control.status, run.unit
    if status in ("epochs_spent", "time_spent"):
        why = "the time allowed was spent" if status == "time_spent" else "out of iterations"
        words = f"not converged after {run.control.epoch} {unit}s: {why} while the loss still fell"
        return Judgement("not_converged", words, "no")
    if code == STALLED and _has_not_moved(run):
        return Judgement("not_moved", f"{message}: it ended where it began", "no")
    if status == "converged" and arrived == "no":
        rule = BY_RULE.get(code, "no_improvement")
        words = STATUS[code].message.removeprefix("converged: ")
        said = f"stopped by its own test ({words}; {unit} {run.control.epoch}): {TOO_LONG}"
        own = run.job.settings.optimizer
        asked = own != type(own)() or not all(map(run.options.is_default, TOLERANCES))
        # Least squares steps and a simplex end at rounding; a search along lines may end anywhere.
        ends_well = asked or own.needs in ("gauss_newton", "value")
        return Judgement(rule if ends_well else "not_converged", said, "no")
    return _plain(status, message, arrived)


def _has_not_moved(run: Finished) -> bool:
    end = run.leaves()
    return all(np.array_equal(end[n], a) for n, a in run.begin.items())


def _named(searched: Sequence[str]) -> list[str]:
    return [text.split(" from ")[0] for text in searched]


# --- thresholds, runaways, side minima


def _threshold(run: Finished, names: Sequence[str]) -> Judgement:
    """Parameters that act only through comparisons, and were not searched for."""
    who, them = listed(list(names)), "it" if len(names) == 1 else "them"
    acts = "acts" if len(names) == 1 else "act"
    found = (
        f"{who} {acts} only through comparisons, rounding or an index: no derivative tells where "
        f"to move {them}. Try values of {them} with fixed=…, or write a smooth step.",
    )
    words = f"{who} {acts} only through comparisons, and was not moved"
    return _unless_kept(run, Judgement("threshold", words, "no", found))


def _unless_kept(run: Finished, said: Judgement) -> Judgement:
    """A judgement, or that of a start which was given and which the user asked to keep to."""
    if run.options.starts != 1 or run.options.is_default("starts") or run.job.start.missing:
        return said
    words = f"{said.message}; starts=1 keeps to it"
    return said._replace(status=f"{said.status}_kept", message=words)


def _runaway(run: Finished, walk: Walk, arrived: bool) -> Judgement | None:
    exact = walk.square <= walk.rounding
    if arrived and not (exact or np.any(walk.errors() >= np.abs(walk.x))):
        return None
    chosen = run.control.status == EPOCHS_SPENT and not run.options.is_default("epochs")
    if is_linear(run) or (chosen and not arrived):
        return None
    if not arrived and run.job.beyond is not None:
        return None  # to look where it leads to would take as many passes again
    if not arrived:
        walk.go()
    names = runaways(walk)
    return _ran_away(names, run) if names else None


def _ran_away(names: Sequence[str], run: Finished) -> Judgement:
    who, runs = listed(list(names)), "runs" if len(names) == 1 else "run"
    has = "it has" if len(names) == 1 else "they have"
    words = (
        f"no minimum there: the loss still falls as {who} {'goes' if runs == 'runs' else 'go'} "
        f"farther out (iteration {run.control.epoch})"
    )
    found = (
        f"{who} {runs} away: {has} no finite best value in these data. Fix one of them, bound it, "
        "or measure where it would show.",
    )
    return Judgement("runaway", words, "no", found)


def _side(run: Finished, walk: Walk) -> Judgement | None:
    """A minimum that explains no more than a constant, where there is more to explain.

    One that explains as much is none if it leaves noise: a rate, or a power, may truly be 0.
    """
    share, least = explained(run, walk), least_share(walk)
    if share is None or share > least or is_linear(run):
        return None
    if abs(share) <= least and leaves_noise(run, walk.noise()):
        return None
    return _side_said(run, f"R² = {share:.2g}")


def _side_by_loss(run: Finished) -> Judgement | None:
    """The same by a loss that is no sum of squares."""
    with np.errstate(all="ignore"):
        found = explained_by_loss(run)
    if found is None or run.original is None:
        return None
    share, residuals = found
    p = sum(a.size for a in run.job.leaf_arrays().values())
    least = float(by_chance(p, run.original.counted))
    if share > least or (abs(share) <= least and leaves_noise(run, residuals)):
        return None
    return _side_said(run, f"it saves {share:.2g} of a constant's loss")


def _side_said(run: Finished, why: str) -> Judgement:
    found = (
        f"The fit explains no more than a constant would ({why}): a side minimum, or a "
        "model that does not suit the data.",
    )
    at = f"({run.unit} {run.control.epoch})"
    words = f"a side minimum: it explains no more than a constant {at}"
    return _unless_kept(run, Judgement("side_minimum", words, "yes", found))


# --- losses that are no sum of squares


def kink_said(run: Finished) -> Judgement:
    """What is said of a minimum at a kink."""
    words = f"converged at a kink: the loss rises to every side (iteration {run.control.epoch})"
    return Judgement("kink", words, "yes")


def _has_arrived(run: Finished) -> tuple[bool | None, tuple[str, ...]]:
    """Whether a loss with two derivatives has arrived, and what its rows do not determine there.

    None where that cannot be judged.
    """
    job = run.job
    if job.rows is None or job.settings.penalty is not None or run.original is None:
        return None, ()
    loss = job.settings.loss
    curved = run.built.descent.curvature is not None or (loss is not None and loss.is_likelihood)
    # Of distributions the second derivatives tell it, though there are no counts to have errors.
    shares = loss is not None and loss.domain == "distributions" and not curved
    if run.best_epoch() is not None or not (curved or shares):
        return None, ()
    view = completion_of(job, run.built, run.leaves(), False, run.original)
    if sum(a.size for a in view.leaves.values()) > MOST_WITH_ERRORS or not view.leaves:
        return None, ()
    with np.errstate(all="ignore"):
        found = view.observed_errors() if shares else view.curved_errors()
    if found.covariance is not None or found.lost:
        return True, found.lost
    return (False if NOT_ARRIVED in found.note else None), ()


def _judged_by_loss(run: Finished, status: str, message: str) -> Judgement | None:
    ended = run.control.status != EPOCHS_SPENT and status != "time_spent"
    side = _side_by_loss(run) if ended else None
    if side is not None:
        return side
    if run.facts is not None and run.facts.lost:
        return _flat_said(run, run.facts.lost)
    if run.facts is not None and run.facts.kinks:
        return kink_said(run)
    away = falling(run) if status != "time_spent" else []
    if away:
        return _ran_away(away[:3], run)
    near = sinking(run) if status != "time_spent" else []
    if near:
        who, goes = listed(near[:3]), "nears" if len(near) == 1 else "near"
        words = f"no minimum there: the loss still falls as {who} {goes} 0, without end"
        return Judgement("runaway", f"{words} (iteration {run.control.epoch})", "no")
    if run.control.status == EPOCHS_SPENT or status == "time_spent":
        return None
    may_kink = run.control.status in (STALLED, PRECISION) or _has_kinks(run)
    if may_kink and all_sides_rise(run):
        return bound_said(run) if _pressed(run) else kink_said(run)
    if status != "converged":
        # Where rounding hides every step, the facts say whether one was left to go.
        hidden = run.control.status == STALLED and run.job.rows is not None
        if not hidden or _has_not_moved(run) or _has_arrived(run) != (True, ()):
            return None
        status = "converged"
        message = f"{STATUS[PRECISION].message} (iteration {run.control.epoch})"
    if run.job.rows is None:
        (down, slopes), moved = downhill(run), not _has_not_moved(run)
        if slopes:
            return _on_a_slope(run, down)
        if down:
            where, what = ("there", "a saddle, ") if moved else ("at the start", "")
            words = (
                f"the gradient is 0 {where}, and the loss falls from there along {listed(down)}: "
                f"{what}begin elsewhere ({run.unit} {run.control.epoch})"
            )
            return Judgement("not_converged" if moved else "not_moved", words, "no")
    arrived, lost = _has_arrived(run)
    if arrived is False:
        return _by_method(run, status, message, "no")
    if lost:
        return _flat_said(run, lost)
    held = on_bounds(run.job.space, {n: a for n, a in run.leaves().items() if _varies(run, n)})
    told = "not judged" if arrived is None else "yes"
    return _plain("bound" if held.any() else "converged", message, told)


def _has_kinks(run: Finished) -> bool:
    """Whether a function that is minimised as it is has operations with a kink."""
    if run.job.rows is not None:
        return False
    return any(node.op.breaks == "kink" for node in postorder([run.built.descent.objective]))


def _on_a_slope(run: Finished, names: Sequence[str]) -> Judgement:
    """A method's own test was met where the loss still falls: too early, or as it was told to."""
    code = run.control.status
    option = {FTOL: "ftol", XTOL: "xtol", GTOL: "gtol"}.get(code, "")
    words = STATUS[code].message.removeprefix("converged: ")
    words = (
        f"stopped by its own test ({words}; {run.unit} {run.control.epoch}): the loss still falls "
        f"along {listed(list(names))}"
    )
    chosen = bool(option) and not run.options.is_default(option)
    return Judgement(BY_RULE[code] if chosen else "not_converged", words, "no")


def _varies(run: Finished, name: str) -> bool:
    return run.job.space is None or run.job.space.varies(name)
