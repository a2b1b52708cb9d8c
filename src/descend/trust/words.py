"""What the data leave undetermined, in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["correlated", "hardly_determined", "listed", "undetermined"]

Array = np.ndarray[Any, np.dtype[Any]]

CORRELATED = 0.95
DEPENDENT = 30.0  # condition index from which columns are nearly dependent
SHARE = 0.5  # of a variance that comes from one direction
VAGUE = 0.5  # standard error over value
MOST_NAMED = 6
EXACT = 1e-5
SIMPLE = (1, 2, 3)  # exponents and factors that combinations may have


def listed(names: Sequence[str]) -> str:
    """Names as a list in a sentence.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    if len(names) > MOST_NAMED:
        names = [*names[:MOST_NAMED], f"{len(names) - MOST_NAMED} more"]
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def undetermined(
    null: Array, params: Array, names: Sequence[str], same: Callable[[Array], bool] | None = None
) -> list[str]:
    """Say which parameters the data do not tell apart.

    Args:
        null: (p, k) directions of the parameters along which the fit does not change, as an
            orthonormal basis in scaled parameters that is scaled back.
        params: (p,) the parameters.
        same: whether other values (p,) of them predict the same: what is claimed of more than the
            place itself is tried by finite steps. Without it nothing is tried.

    >>> along = np.array([[2.0], [-3.0], [0.0]])
    >>> undetermined(along, np.array([2.0, 3.0, 5.0]), ["a", "b", "c"])
    ['The data determine a·b, but not a and b apart: fix one of them, or put one number in their
    place.']
    """
    found = []
    for group in _groups(null):
        own = [names[i] for i in group]
        count = int(np.linalg.matrix_rank(null[group] / _size(null[group]), tol=1e-8))
        if len(group) == 2 and count == 1:
            direction = null[group][:, np.argmax(np.abs(null[group]).sum(0))]
            found.append(_pair(direction, params, group, own, same))
            continue
        left = len(group) - count
        what = f"only {left} of the {len(group)} numbers" if left else "none of the numbers"
        found.append(
            f"The data determine {what} {listed(own)}: fix {count} of them, or write the model "
            "with fewer."
        )
    return found


def _size(block: Array) -> Array:
    """What makes the rows of a block comparable: parameters may have any units."""
    size = np.sqrt(np.sum(block**2, axis=1, keepdims=True))
    return np.asarray(np.where(size > 0, size, 1.0))


def _groups(null: Array) -> list[Array]:
    """The parameters that directions connect with one another."""
    used = np.abs(null) > EXACT * np.max(np.abs(null), axis=0)
    # A basis of several directions may mix what does not belong together; the projector does not.
    unit, _ = np.linalg.qr(null / _size(null))
    linked = (np.abs(unit @ unit.T) > EXACT) & used.any(1)[:, None] & used.any(1)
    left, groups = set(np.flatnonzero(used.any(1)).tolist()), []
    while left:
        group, waiting = set(), [min(left)]
        while waiting:
            i = waiting.pop()
            if i in left:
                left.remove(i)
                group.add(i)
                waiting += np.flatnonzero(linked[i]).tolist()
        groups.append(np.array(sorted(group)))
    return groups


def _pair(
    direction: Array, params: Array, group: Array, names: Sequence[str],
    same: Callable[[Array], bool] | None,
) -> str:  # fmt: skip
    a, b = names
    for combination in _combinations(direction, params[group], names):
        if same is None or all(same(moved) for moved in combination.moves(params, group)):
            return (
                f"The data determine {combination.text}, but not {a} and {b} apart: fix one of "
                "them, or put one number in their place."
            )
    return (
        f"The data do not determine {a} and {b} apart: near here, where one moves, the other makes "
        "up for it. Fix one of them."
    )


class _Combination(NamedTuple):
    """A product or quotient aᵐ·b^±n, or a sum or difference m·a ± n·b, that may be determined."""

    m: int
    n: int
    sign: int
    is_product: bool
    text: str

    def moves(self, params: Array, group: Array) -> list[Array]:
        """Values far from the parameters that leave the combination as it is."""
        found, (i, j) = [], group
        for factor in (2.0, 0.5):
            moved = np.array(params)
            if self.is_product:
                moved[i] *= factor**self.n
                moved[j] *= factor ** (-self.sign * self.m)
            else:
                step = (factor - 1) * (abs(params[i]) + abs(params[j]) * self.n / self.m)
                moved[i] += step
                moved[j] -= self.sign * step * self.m / self.n
            found.append(moved)
        return found


def _combinations(
    direction: Array, params: Array, names: Sequence[str]
) -> Iterator[_Combination]:
    """The simple combinations of two parameters that stay the same along a direction."""
    first, second = (float(d) for d in direction)
    tries: list[tuple[float, float, bool]] = [(first, second, False)]
    if np.all(params != 0):
        tries.insert(0, (first / float(params[0]), second / float(params[1]), True))
    for u, v, is_product in tries:
        for m in SIMPLE:
            for n in SIMPLE:
                if math.gcd(m, n) != 1:
                    continue
                for sign in (1, -1):
                    if abs(m * u + sign * n * v) <= EXACT * (abs(m * u) + abs(n * v)):
                        text = _written(m, n, sign, is_product, *names)
                        yield _Combination(m, n, sign, is_product, text)


def _written(m: int, n: int, sign: int, is_product: bool, a: str, b: str) -> str:
    """
    >>> _written(1, 2, 1, True, "a", "b"), _written(1, 1, -1, True, "a", "b")
    ('a·b²', 'a/b')
    >>> _written(1, 2, -1, False, "a", "b")
    'a - 2·b'
    """
    powers = {1: "", 2: "²", 3: "³"}
    if is_product:
        return f"{a}{powers[m]}{'·' if sign > 0 else '/'}{b}{powers[n]}"
    parts = [name if k == 1 else f"{k}·{name}" for k, name in ((m, a), (n, b))]
    return f"{parts[0]} {'+' if sign > 0 else '-'} {parts[1]}"


def hardly_determined(
    singular: Array, vt: Array, params: Array, error: Array, names: Sequence[str]
) -> list[str]:
    """Name combinations that the data determine badly, from small singular values.

    A direction counts whose condition index exceeds 30, in which at least two parameters have
    more than half of their variance, and whose errors are above half of their values. Belsley,
    Kuh and Welsch, "Regression Diagnostics" (1980), section 3.2.

    Args:
        singular, vt: of the derivatives with columns of length one.
    """
    found = []
    shares = (vt / singular[:, None]) ** 2
    shares = shares / shares.sum(axis=0)
    vague = error > VAGUE * np.abs(params)
    for k in range(len(singular) - 1, -1, -1):
        if singular[0] <= DEPENDENT * singular[k]:
            break
        involved = np.flatnonzero((shares[k] > SHARE) & vague)
        if len(involved) < 2:
            continue
        names_in = [names[int(i)] for i in involved]
        sign = 1.0 if vt[k, involved[0]] >= 0 else -1.0
        moves = [f"{names[int(i)]} {'up' if sign * vt[k, i] >= 0 else 'down'}" for i in involved]
        found.append(
            f"The data hardly determine {listed(names_in)} apart: moving {listed(moves)} together "
            "barely changes the fit. Fix one of them, or measure where they differ."
        )
    return found


def correlated(correlation: Array, names: Sequence[str]) -> list[str]:
    """Name the pairs of parameters that are correlated above 0.95.

    >>> correlated(np.array([[1.0, -0.97], [-0.97, 1.0]]), ["a", "b"])
    ['a and b are strongly correlated (-0.9700): the data tell their combination better than
    each.']
    """
    rows, columns = np.triu_indices(len(correlation), k=1)
    values = correlation[rows, columns]
    kept = np.flatnonzero(np.abs(values) > CORRELATED)
    order = np.argsort(-np.abs(values[kept]), kind="stable")
    pairs = [(names[int(rows[k])], names[int(columns[k])], float(values[k])) for k in kept[order]]
    if len(pairs) > 3:
        most = "; ".join(f"{a} and {b} ({value:+.4f})" for a, b, value in pairs[:3])
        return [f"{len(pairs)} pairs are correlated above {CORRELATED:g}, most of all {most}."]
    return [
        f"{a} and {b} are strongly correlated ({value:+.4f}): the data tell their combination "
        "better than each."
        for a, b, value in pairs
    ]
