"""The methods of `Fit` on its own reliability; the arithmetic is loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

from descend.errors import UsageError, ends_at_users_line
from descend.task.checks import check_choice, check_count, check_seed
from descend.trust.quantiles import check_level

if TYPE_CHECKING:
    from descend.records.band import Band
    from descend.trust.bootstrap import Bootstrap
    from descend.trust.contour import Contour
    from descend.trust.delta import Derived
    from descend.trust.diagnostics import Diagnostics
    from descend.trust.intervals import Intervals
    from descend.trust.profile import Profile

__all__ = ["Trusted"]


class Trusted:
    """What `Fit` can say of its own reliability."""

    __slots__ = ()

    @ends_at_users_line
    def confidence(self, level: float = 0.95, kind: str = "t") -> Intervals:
        """Confidence intervals of all parameters.

        Args:
            level: how often such intervals hold the truth.
            kind: `"t"` for value ± t·error, by Student's t (by the normal distribution where
                sigmas are absolute, or data are counts); `"profile"` for profile likelihood,
                which follows a curved model; see also `bootstrap`.

        Raises:
            UsageError: there are no standard errors, or the data are needed and not at hand.

        >>> import numpy as np, descend
        >>> x = np.arange(5.0)
        >>> fit = descend.fit("y = a*x", {"x": x, "y": [0.1, 0.9, 2.1, 2.9, 4.1]}, start={"a": 1})
        >>> low, high = fit.confidence()["a"]
        >>> round(low, 4), round(high, 4)
        (0.9508, 1.0626)
        """
        from descend.trust.intervals import by_profile, by_student

        level = check_level(level)
        check_choice("kind", kind, ["t", "profile"])
        return by_profile(self, level) if kind == "profile" else by_student(self, level)

    @overload
    def profile(self, name: str, level: float = 0.95) -> Profile: ...

    @overload
    def profile(self, name: None = None, level: float = 0.95) -> dict[str, Profile]: ...

    @ends_at_users_line
    def profile(
        self, name: str | None = None, level: float = 0.95
    ) -> Profile | dict[str, Profile]:
        """The profile-likelihood interval of a parameter: all others are refitted on the way.

        Args:
            name: a parameter, or one number of an array as `"w[0]"`; None for all of them.

        Returns:
            a `Profile`, with `low`, `high`, the way there, and `plot()`; for all, a dict of them.

        Raises:
            UsageError: no such parameter, no minimum, or the loss is no likelihood.

        >>> import numpy as np, descend
        >>> x = np.arange(6.0)
        >>> y = 2 * np.exp(-0.4 * x) + [0.02, -0.03, 0.01, 0.02, -0.01, -0.01]
        >>> fit = descend.fit(lambda x, a, k: a * np.exp(-k * x), x, y, start=dict(a=1, k=1))
        >>> found = fit.profile("k")
        >>> round(found.low, 4), round(found.high, 4)
        (0.3827, 0.4243)
        """
        from descend.trust.profile import profiles
        from descend.trust.refit import index_of, minimum_of

        level = check_level(level)
        surface = minimum_of(self)
        asked = range(len(surface.names)) if name is None else [index_of(self, surface, name)]
        found = profiles(surface, asked, level)
        return {p.name: p for p in found} if name is None else found[0]

    @ends_at_users_line
    def contour(
        self, first: str, second: str, levels: float | Sequence[float] = (0.6827, 0.9545),
        points: int = 41,
    ) -> Contour:  # fmt: skip
        """The joint regions of two parameters, all others refitted on a grid.

        Args:
            levels: how often the regions hold both true values.
            points: places on each axis of the grid.

        Raises:
            UsageError: no such parameters, or twice the same; see also `profile`.
        """
        from descend.trust.contour import contours
        from descend.trust.refit import index_of, minimum_of

        given = [levels] if isinstance(levels, float | int) else list(levels)
        checked = [check_level(level) for level in given]
        check_count("points", points)
        surface = minimum_of(self)
        i, j = index_of(self, surface, first), index_of(self, surface, second)
        if i == j:
            raise UsageError(
                f'contour needs two parameters, and got "{first}" twice',
                remedy="for one parameter, write fit.profile(…)",
            )
        return contours(surface, i, j, checked, int(points))

    @ends_at_users_line
    def bootstrap(self, n: int = 1000, kind: str = "residual", seed: int = 0) -> Bootstrap:
        """Fit n data sets that are drawn anew, from the fit's parameters on.

        Args:
            kind: `"residual"` adds drawn residuals to the fitted values (x stays as it is);
                `"case"` draws whole rows; `"parametric"` draws from the normal distribution, or
                from the one that the loss stands for.
            seed: the same seed draws the same data.

        Returns:
            a `Bootstrap`, with `draws`, `stderr`, `bias`, and `intervals(level, kind)` of kind
            `"bca"`, `"percentile"` or `"basic"`, all of which reach as far as Student's t where
            the scale of the errors is not known (the expanded intervals of Hesterberg, "What
            teachers should know about the bootstrap", 2015).

        Raises:
            UsageError: the kind does not suit the loss, or the fit is at no minimum.

        >>> import numpy as np, descend
        >>> x = np.arange(6.0)
        >>> y = 2 * np.exp(-0.4 * x) + [0.02, -0.03, 0.01, 0.02, -0.01, -0.01]
        >>> fit = descend.fit(lambda x, a, k: a * np.exp(-k * x), x, y, start=dict(a=1, k=1))
        >>> low, high = fit.bootstrap(200).intervals()["k"]
        >>> low < fit.params["k"] < high
        True
        """
        from descend.trust.bootstrap import KINDS, bootstrapped

        check_count("n", n)
        check_choice("kind", kind, KINDS)
        check_seed(seed)
        return bootstrapped(self, int(n), kind, int(seed))

    @ends_at_users_line
    def confidence_band(
        self, x: Any, level: float = 0.95, simultaneous: bool = False
    ) -> Band:
        """Where the fitted curve itself is known to lie.

        Args:
            x: rows, as for `predict`.
            simultaneous: whether the band holds at all x at once (Scheffé), which is wider.

        Returns:
            a `Band`, with `fitted`, `stderr`, `low` and `high` of the prediction's shape.

        Raises:
            UsageError: there are no standard errors, or the prediction is no single array.

        >>> import numpy as np, descend
        >>> x = np.arange(5.0)
        >>> fit = descend.fit("y = a*x", {"x": x, "y": [0.1, 0.9, 2.1, 2.9, 4.1]}, start={"a": 1})
        >>> found = fit.confidence_band({"x": [10.0]})
        >>> found.low.round(3), found.high.round(3)
        (array([9.508]), array([10.626]))
        """
        from descend.trust.delta import band

        return band(self, x, level, simultaneous)

    @ends_at_users_line
    def prediction_band(
        self, x: Any, level: float = 0.95, simultaneous: bool = False, sigma: Any = None
    ) -> Band:
        """Where new observations are to be expected: the curve's own error, and the noise.

        Args:
            x: rows, as for `predict`.
            simultaneous: whether the band holds for all these observations together.
            sigma: the standard deviations of the new observations, in the unit of the fit's
                sigma; only for fits with sigma.

        Raises:
            UsageError: the fit had sigmas, and there is none here (or the other way round).
        """
        from descend.trust.delta import band, noise_of

        return band(self, x, level, simultaneous, noise_of(self, sigma))

    @ends_at_users_line
    def propagate(
        self, function: Callable[..., Any] | str, level: float = 0.95
    ) -> Derived:
        """A function of the parameters with its error, by exact derivatives.

        Args:
            function: a formula such as `"a/b"`, a function of the dict of parameters, or a
                function whose arguments are names of parameters.

        Returns:
            a `Derived`, with `value`, `stderr`, and the interval from `low` to `high`.

        Raises:
            UsageError: it names what is no parameter, or there are no standard errors.

        >>> import numpy as np, descend
        >>> x = np.arange(5.0)
        >>> fit = descend.fit("y = a*x", {"x": x, "y": [0.1, 0.9, 2.1, 2.9, 4.1]}, start={"a": 1})
        >>> print(fit.propagate("2*a"))
        2.013333 ± 0.0403
        """
        from descend.trust.delta import derived

        return derived(self, function, check_level(level))

    @ends_at_users_line
    def diagnostics(self) -> Diagnostics:
        """Tests of the residuals (normality, autocorrelation), leverage and influence of each row.

        Returns:
            `Diagnostics`, with `tests`, `leverage`, `studentized`, `cooks`, `findings`, `plot()`.

        Raises:
            UsageError: the loss is no sum of squares, or the data are not at hand.
        """
        from descend.trust.diagnostics import diagnosed

        return diagnosed(self)
