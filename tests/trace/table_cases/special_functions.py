"""scipy.special, math, Python's builtins."""

import math

import numpy as np
from scipy import special

from table_cases.data import X0, X1, A, F, P, U, V, case

# --- scipy.special ----------------------------------------------------------------------------
SPECIAL = "scipy.special"
for _name in ["erf", "erfc", "expit", "log_expit", "ndtr", "exp2", "expm1", "cbrt", "exp10"]:
    case(_name, lambda a, _name=_name: getattr(special, _name)(a), A, module=SPECIAL)
    case(_name, lambda a, _name=_name: getattr(special, _name)(a), F, module=SPECIAL)
for _name in ["gammaln", "loggamma", "digamma", "psi", "gamma", "entr", "log1p", "factorial"]:
    case(_name, lambda a, _name=_name: getattr(special, _name)(a), P, module=SPECIAL)
case("gamma", lambda a: special.gamma(a), np.array([-2.5, -1.5, -0.5, 0.5]), module=SPECIAL)
case("logit", lambda u: (special.logit(u), special.logit(u * 1e-3)), U, module=SPECIAL)
case(
    "xlogy xlog1py rel_entr kl_div",
    lambda a, b: (
        special.xlogy(a, b),
        special.xlog1py(a, b),
        special.rel_entr(a, b),
        special.kl_div(a, b),
    ),
    U,
    P,
    module=SPECIAL,
)
case(
    "xlogy entr rel_entr",
    lambda a: (special.xlogy(a, a), special.entr(a), special.rel_entr(a, a)),
    np.array([0.0, 1.0, -1.0, np.nan]),
    module=SPECIAL,
)
case(
    "huber pseudo_huber",
    lambda a: (special.huber(0.7, a), special.pseudo_huber(0.7, a)),
    A,
    module=SPECIAL,
)
case(
    "logsumexp",
    lambda a, b: (
        special.logsumexp(a),
        special.logsumexp(a, axis=1),
        special.logsumexp(a, b=b, axis=0, keepdims=True),
    ),
    A,
    U,
    module=SPECIAL,
)
case(
    "softmax log_softmax",
    lambda a: (special.softmax(a), special.softmax(a, axis=1), special.log_softmax(a, axis=0)),
    A,
    module=SPECIAL,
)
case("logsumexp", lambda a, b: special.logsumexp([a, b]), X0, X1, module=SPECIAL)
case("beta betaln", lambda a, b: (special.beta(a, b), special.betaln(a, b)), P, U, module=SPECIAL)
for _name in [
    "erfinv", "erfcx", "erfi", "dawsn", "log_ndtr", "exprel", "cosm1", "softplus",
    "j0", "j1", "i0", "i1", "i0e", "i1e", "jv jn", "iv", "ive",
]:  # fmt: skip
    _first, _, _rest = _name.partition(" ")
    if not hasattr(special, _first):
        continue
    _orders = (0, 1, 2) if _name in ("jv jn", "iv", "ive") else ()

    def _model(u, _name=_first, _orders=_orders):
        function = getattr(special, _name)
        # Away from 0, where the scaled functions have a kink.
        x = -u - 0.1 if _name.endswith("e") else 4 * u - 1.5
        values = [function(n, x) for n in _orders] or [function(x / 4)]
        return values[0] if len(values) == 1 else tuple(values)

    case(_name, _model, U, module=SPECIAL)
for _name in ["erfcinv", "ndtri", "exp1", "expi", "y0", "y1", "k0", "k1", "k0e", "k1e", "gamma"]:
    case(_name, lambda u, _name=_name: getattr(special, _name)(u), U, module=SPECIAL)
case(
    "yv yn kv kn kve",
    lambda u: (
        special.yv(2, u),
        special.yn(1, u),
        special.kv(1.5, u),
        special.kn(2, u),
        special.kve(0, u),
    ),
    U,
    module=SPECIAL,
)
case(
    "gammainc gammaincc gammaincinv",
    lambda p, u: (
        special.gammainc(p, 3 * u),
        special.gammaincc(p, 3 * u),
        special.gammaincinv(p, u),
    ),
    P,
    U,
    module=SPECIAL,
)
case(
    "betainc betaincc betaincinv",
    lambda p, u: (
        special.betainc(p, 1.5, u),
        special.betaincc(0.8, p, u),
        special.betaincinv(p, 2.0, u),
    ),
    P,
    U,
    module=SPECIAL,
)
case(
    "binom poch boxcox boxcox1p",
    lambda p, u: (
        special.binom(p, u),
        special.poch(p, u),
        special.boxcox(p, u - 0.5),
        special.boxcox(p, 0.0),
        special.boxcox1p(p, u),
    ),
    P,
    U,
    module=SPECIAL,
)
case(
    "gdtr gdtrc chdtr chdtrc fdtr fdtrc stdtr",
    lambda p, u: (
        special.gdtr(0.7, p, u),
        special.gdtrc(p, 1.2, u),
        special.chdtr(p, 3 * u),
        special.chdtrc(p, 3 * u),
        special.fdtr(p, 4.0, u),
        special.fdtrc(3.0, p, u),
        special.stdtr(p, 4 * u - 1.3),
    ),
    P,
    U,
    module=SPECIAL,
)
case(
    "voigt_profile",
    lambda a, u, p: (
        special.voigt_profile(a, u, p),
        special.voigt_profile(a, 0.0, p),
        special.voigt_profile(a, u, 0.0),
    ),
    A,
    U,
    P,
    module=SPECIAL,
)
case(
    "wofz",
    lambda a, u, x: (
        special.wofz((a + 1j * u) / (x * np.sqrt(2))).real / x,
        np.imag(special.wofz(x + u * 1j)),
        special.wofz(a).real,
        np.abs(special.wofz(a + 0.5j)) ** 2,
        abs(1.0 / (x - a * u + 1j * u)),
        ((a + 1j * u) ** 2 * np.conj(u - 2j * a) - 1j).imag[0],
        np.exp(1j * a).real + np.log(u + 1j * a).imag,
        (np.array([1.0, 2.0, 3.0, 4.0]) * (2j - a)).sum(axis=0).imag,
    ),
    A,
    U,
    X1,
    module=SPECIAL,
)
case(
    "expn zeta",
    lambda p: (special.expn(0, p), special.expn(3, p), special.zeta(2.5, p), special.zeta(4, p)),
    P,
    module=SPECIAL,
)
case("polygamma", lambda a: (special.polygamma(0, a), special.polygamma(2, a)), P, module=SPECIAL)
# --- math and builtins ------------------------------------------------------------------------
for _name in [
    "acosh",
    "asinh",
    "atan",
    "cbrt",
    "ceil",
    "cos",
    "cosh",
    "degrees",
    "erf",
    "erfc",
    "exp",
    "exp2",
    "expm1",
    "fabs",
    "floor",
    "gamma",
    "isfinite",
    "isinf",
    "isnan",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "radians",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
]:
    case(_name, lambda x, _name=_name: getattr(math, _name)(x), X1, module="math")
for _name in ["acos", "asin", "atanh"]:
    case(_name, lambda x, _name=_name: getattr(math, _name)(x), X0, module="math")
for _name in ["atan2", "copysign", "fmod", "hypot", "isclose", "pow", "log"]:
    case(_name, lambda x, y, _name=_name: getattr(math, _name)(x, y), X0, X1, module="math")
case(
    "fsum prod dist",
    lambda x, y: (math.fsum([x, y, 0.1]), math.prod([x, y, 3]), math.dist([x, 0], [y, 1])),
    X0,
    X1,
    module="math",
)
case("hypot", lambda x, y: math.hypot(x, y, 2.0), X0, X1, module="math")
if hasattr(math, "sumprod"):
    case("sumprod", lambda x, y: math.sumprod([x, y], [y, 2.0]), X0, X1, module="math")
if hasattr(math, "fma"):
    case("fma", lambda x, y: math.fma(x, y, 1.0), X0, X1, module="math")
case(
    "len sum",
    lambda a: (sum(a) / len(a), sum([a[0], a[1]]), sum(a, start=1.0)),
    A,
    module="builtins",
)
case(
    "max min",
    lambda x, y: (max(x, y), min(x, y, 0.1), max([x, y, 5.0]), max(1, 2)),
    X0,
    X1,
    module="builtins",
)
case("max min", lambda v: (max(v), min(v)), V, module="builtins")
case(
    "abs round pow divmod",
    lambda x, y: (abs(-x), pow(x, y), divmod(y, x)),
    X0,
    X1,
    module="builtins",
)
case("round", lambda a: round(a.sum(), 3), A, module="builtins")
case(
    "sorted any all",
    lambda v: (
        sorted(v),
        sorted([v[0], v[1]], reverse=True),
        any(v > 0),
        all([v[0] < 9, v[1] < 9]),
    ),
    V,
    module="builtins",
)
case(
    "isinstance",
    lambda a, x: a * isinstance(a, np.ndarray) * isinstance(x, float) + isinstance(a, list),
    A,
    X0,
    module="builtins",
)
case(
    "type issubclass hasattr getattr callable",
    lambda a: (
        a * (type(a) is np.ndarray),
        a * issubclass(type(a), np.ndarray),
        a * hasattr(a, "__len__") + hasattr(a[0, 0], "__len__"),
        a * getattr(a, "values", 2.0) + getattr(a[0, 0], "__len__", 1.0),
        a + callable(a),
    ),
    A,
    module="builtins",
)
