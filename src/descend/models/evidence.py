"""What can be read off data before any fit: widths of peaks, slopes, periods.

All works on rows sorted by x, at any scale of x and y, and answers with finite numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from descend.models.kind import Array

__all__ = [
    "across",
    "frequencies",
    "line",
    "peaks",
    "phase",
    "positive_grid",
    "smoothed",
    "span",
    "spread",
]

DIRECT = 600  # up to this many rows every frequency is tried on the rows themselves
OVERSAMPLING = 6  # frequencies per width of a peak of the periodogram
FINE = 21
MOST_PEAKS = 3
MOST_REFINED = 4000  # rows
CHUNK = 250_000  # numbers in one table of sines


def span(x: Array) -> float:
    """The length of the range of x, never zero.

    >>> span(np.array([1.0, 3.0])), span(np.array([2.0, 2.0])), span(np.zeros(2))
    (2.0, 2.0, 1.0)
    """
    length = float(x[-1] - x[0])
    return length or abs(float(x[0])) or 1.0


def across(x: Array, count: int, beyond: float = 0.0) -> Array:
    """Evenly spread places and quantiles of x, reaching beyond both ends by a share of the range.

    >>> across(np.array([0.0, 1.0, 10.0]), 3)
    array([ 0. , 0.33, 1. , 5. , 7. , 10. ])
    """
    low, high = x[0] - beyond * span(x), x[-1] + beyond * span(x)
    places = [np.linspace(low, high, count), np.quantile(x, (np.arange(count) + 0.5) / count)]
    return np.unique(np.concatenate(places))


def positive_grid(x: Array, count: int, beyond: float = 10.0) -> Array:
    """Places on a logarithmic scale, from below the least positive x to above the largest.

    >>> positive_grid(np.array([0.0, 1.0, 100.0]), 5)
    array([1.e-01, 1.e+00, 1.e+01, 1.e+02, 1.e+03])
    """
    positive = x[x > 0]
    if not positive.size:
        return np.geomspace(span(x) / 100, span(x) * 10, count)
    return np.geomspace(positive[0] / beyond, positive[-1] * beyond, count)


def spread(low: float, high: float, count: int, *, both: bool = False) -> Array:
    """Numbers on a logarithmic scale, of either sign where both are asked for."""
    sizes = np.geomspace(low, high, count)
    return np.concatenate([sizes, -sizes]) if both else sizes


def line(x: Array, y: Array, weight: Array) -> tuple[float, float]:
    """Slope and intercept of the weighted least-squares line; a zero slope where x is one value.

    >>> line(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 9.0]), np.array([1.0, 1.0, 0.0]))
    (2.0, 1.0)
    """
    total = weight.sum()
    if not total > 0:
        return 0.0, float(np.mean(y)) if y.size else 0.0
    middle, level = np.sum(weight * x) / total, np.sum(weight * y) / total
    below = np.sum(weight * (x - middle) ** 2)
    slope = np.sum(weight * (x - middle) * (y - level)) / below if below > 0 else 0.0
    return float(slope), float(level - slope * middle)


def smoothed(y: Array, width: int) -> Array:
    """Moving average over an odd number of rows, over fewer at the ends.

    >>> smoothed(np.array([0.0, 3.0, 0.0, 0.0]), 3)
    array([1.5, 1. , 1. , 0. ])
    """
    if width <= 1:
        return y
    rows = np.arange(y.size)
    first = np.maximum(rows - width // 2, 0)
    last = np.minimum(rows + width // 2 + 1, y.size)
    level = y.mean()  # so that sums stay small beside a high level
    total = np.concatenate([[0.0], np.cumsum(y - level)])
    smooth: Array = level + (total[last] - total[first]) / (last - first)
    return smooth


def _baselines(x: Array, y: Array) -> list[Array]:
    """Zero, the median, and the line through the ends."""
    ends = max(1, y.size // 10)
    first, last = np.mean(y[:ends]), np.mean(y[-ends:])
    left, right = np.mean(x[:ends]), np.mean(x[-ends:])
    slope = (last - first) / (right - left) if right > left else 0.0
    return [np.zeros_like(y), np.full_like(y, np.median(y)), first + slope * (x - left)]


def peaks(x: Array, y: Array) -> list[tuple[float, float]]:
    """Centers and full widths at half height of the highest peaks and the deepest troughs.

    Over several baselines and at several degrees of smoothing: the right one is among them.

    >>> x = np.linspace(-5.0, 5.0, 101)
    >>> peaks(x, np.exp(-np.log(2) * (x - 1) ** 2))[0]
    (1.0, 2.0)
    """
    n, found, axis = y.size, [], _axis(x)
    for window in sorted({1, 3, 2 * (n // 80) + 1, 2 * (n // 30) + 1, 2 * (n // 16) + 1}):
        if window > n:
            continue
        calm = smoothed(y, window)
        for base in _baselines(x, calm):
            for sign in (1.0, -1.0):
                found += _several(axis, sign * (calm - base))
    different: dict[tuple[int, int], tuple[float, float]] = {}
    for center, width in found:
        alike = round(10 * float(np.log(width))), round(10 * center / width)
        different.setdefault(alike, (center, float(width)))
    return list(different.values())


class _Axis(NamedTuple):
    """x with what widths are measured by."""

    x: Array
    length: float
    least: float
    shares: Array  # of every row in an integral by trapezoids


def _axis(x: Array) -> _Axis:
    steps, length = np.diff(x), span(x)
    least = float(np.min(steps[steps > 0], initial=length))
    shares = np.zeros_like(x)
    shares[1:] += steps / 2
    shares[:-1] += steps / 2
    return _Axis(x, length, least, shares)


def _several(axis: _Axis, height: Array) -> list[tuple[float, float]]:
    """The highest peak, then the highest one outside of it, and so on."""
    found: list[tuple[float, float]] = []
    left, enough = height.copy(), float(height.max()) / 5
    for _ in range(MOST_PEAKS):
        top = int(left.argmax())
        own = _half_height(axis, height, top) if left[top] > enough else []
        if not own:
            break
        found += own
        reach = min(width for _, width in own)
        left[np.abs(axis.x - axis.x[top]) <= reach] = -np.inf
    return found


def _half_height(axis: _Axis, height: Array, top: int) -> list[tuple[float, float]]:
    """Widths from both sides, from the nearer one (for a peak that overlaps) and by the area."""
    x, half = axis.x, float(height[top]) / 2
    if not half > 0:
        return []
    below = np.flatnonzero(height <= half)
    place = int(np.searchsorted(below, top))
    left = int(below[place - 1]) if place else -1
    right = int(below[place]) if place < below.size else -1
    reach = []
    if left >= 0:
        reach.append(float(x[top]) - _crossing(x, height, left, left + 1, half))
    if right >= 0:
        reach.append(_crossing(x, height, right, right - 1, half) - float(x[top]))
    inside = slice(left + 1, right if right >= 0 else None)
    center = float(np.sum(height[inside] * x[inside]) / height[inside].sum())
    full = sum(reach) if len(reach) == 2 else 2 * sum(reach)
    widths = [max(full, axis.least) if reach else axis.length / 2]
    by_area = 0.94 * abs(float(np.sum(height * axis.shares))) / (2 * half)
    if axis.least <= by_area <= 2 * axis.length:
        widths.append(by_area)
    if len(reach) == 2:
        widths.append(max(2 * min(reach), axis.least))
    return [(at, w) for at in (center, float(x[top])) for w in widths]


def _crossing(x: Array, height: Array, outside: int, inside: int, level: float) -> float:
    low, high = height[outside], height[inside]
    share = (level - low) / (high - low) if high > low else 0.5
    return float(x[outside] + share * (x[inside] - x[outside]))


def phase(
    x: Array, y: Array, frequency: float, envelope: Array | None = None
) -> tuple[float, float]:
    """The phase of the best sine of a frequency (in radians per x), and how well it describes y.

    The level of y is free. Returns (shift, share of the variance explained).

    >>> x = np.linspace(0.0, 9.0, 50)
    >>> phase(x, 3 * np.sin(2 * x + 0.5) + 7, 2.0)
    (0.5, 1.0)
    """
    e = np.ones_like(x) if envelope is None else envelope
    turn = frequency * (x - x[0])
    columns = np.stack([e * np.sin(turn), e * np.cos(turn), np.ones_like(x)], axis=1)
    best, *_ = np.linalg.lstsq(columns, y, rcond=1e-10)
    total = float(np.sum((y - y.mean()) ** 2))
    rest = float(np.sum((y - columns @ best) ** 2))
    shift = np.arctan2(best[1], best[0]) - frequency * x[0]
    turned = float(np.remainder(shift + np.pi, 2 * np.pi) - np.pi)
    return turned, 1 - rest / total if total > 0 else 0.0


def frequencies(x: Array, y: Array, most: int = 4, envelope: Array | None = None) -> list[float]:
    """The strongest frequencies of y, in radians per x, from below one period upwards.

    Up to 600 rows by least squares with a free level, as in the generalised Lomb–Scargle
    periodogram (Zechmeister and Kürster, Astronomy & Astrophysics 496, 2009); with more rows
    first by a Fourier transform of y interpolated to an even grid. Each is then refined on rows.

    >>> x = np.sort(np.random.default_rng(0).uniform(0, 20, 80))
    >>> round(frequencies(x, 2 + np.sin(3 * x))[0], 3)
    3.0
    """
    width, n = 2 * np.pi / span(x), x.size
    e = np.ones_like(x) if envelope is None else envelope
    if n <= DIRECT:
        steps = np.diff(x)
        even = n < 3 or np.ptp(steps) <= 0.2 * np.mean(steps)
        most_cycles = max(n // 2 if even else n, 2)  # uneven rows see beyond Nyquist's limit
        tried = width * np.arange(1, OVERSAMPLING * most_cycles + 1) / OVERSAMPLING
        power = _powers(x, y, tried, e)
    else:
        even = np.linspace(x[0], x[-1], 2 * n)
        signal = np.interp(even, x, y) - y.mean()
        transform = np.abs(np.fft.rfft(signal, OVERSAMPLING * 2 * n)) ** 2
        tried = width * np.arange(transform.size) / OVERSAMPLING * (2 * n - 1) / (2 * n)
        tried, power = tried[1 : transform.size // 2], transform[1 : transform.size // 2]
    some = slice(None, None, -(-n // MOST_REFINED))
    return _refined(x[some], y[some], e[some], tried, power, width, most)


def _powers(x: Array, y: Array, tried: Array, e: Array) -> Array:
    """What share of the variance a sine of each frequency explains, beside a free level."""
    out = np.empty_like(tried)
    calm = y - y.mean()
    total = calm @ calm
    step = max(1, CHUNK // x.size)
    for low in range(0, tried.size, step):
        turn = np.outer(tried[low : low + step], x - x[0])
        s, c = e * np.sin(turn), e * np.cos(turn)
        s, c = s - s.mean(axis=1, keepdims=True), c - c.mean(axis=1, keepdims=True)
        ss, cc, sc = np.sum(s * s, 1), np.sum(c * c, 1), np.sum(s * c, 1)
        ys, yc = s @ calm, c @ calm
        det = ss * cc - sc**2
        safe = det > 1e-9 * np.maximum(ss * cc, 1e-300)
        gain = (cc * ys**2 - 2 * sc * ys * yc + ss * yc**2) / np.where(safe, det, 1.0)
        out[low : low + step] = np.where(safe, gain, 0.0)
    return out / total if total > 0 else np.zeros_like(tried)


def _refined(
    x: Array, y: Array, e: Array, tried: Array, power: Array, width: float, most: int
) -> list[float]:
    """The highest peaks of a periodogram, each to a small share of its width."""
    inner = (power >= np.roll(power, 1)) & (power >= np.roll(power, -1))
    peaks_at = np.flatnonzero(inner)
    peaks_at = peaks_at[np.argsort(power[peaks_at])[::-1]][:most]
    found = []
    for at in peaks_at:
        best, reach = float(tried[at]), width / OVERSAMPLING
        for _ in range(2):
            near = np.linspace(max(best - reach, width / 50), best + reach, FINE)
            best, reach = float(near[int(np.argmax(_powers(x, y, near, e)))]), reach / 8
        found.append((phase(x, y, best, e)[1], best))
    return [value for _, value in sorted(found, reverse=True)] or [width]
