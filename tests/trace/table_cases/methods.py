"""Methods of arrays."""

from typing import Any

import numpy as np

from table_cases.data import A, Q, V, case

# --- methods ----------------------------------------------------------------------------------
METHOD = "method"
case(
    "sum mean std var max min prod ptp any all argmax argmin cumsum cumprod",
    lambda a: (
        a.sum(),
        a.mean(0),
        a.std(axis=1),
        a.var(ddof=1),
        a.max(),
        a.min(1),
        a.prod(),
        a.any(),
        a.all(0),
        a.argmax(),
        a.argmin(0),
        a.cumsum(),
        a.cumprod(1),
    ),
    A,
    module=METHOD,
)
case("ptp", lambda a: np.ptp(a), A, module=METHOD)
case(
    "reshape ravel flatten transpose swapaxes squeeze",
    lambda a: (
        a.reshape(4, 3),
        a.reshape((2, -1)),
        a.ravel(),
        a.flatten(),
        a.transpose(1, 0),
        a.T,
        a.transpose(),
        a.swapaxes(0, 1),
        a[None].squeeze(0),
    ),
    A,
    module=METHOD,
)
case(
    "astype copy clip round repeat conj conjugate take",
    lambda a: (
        a.astype(int),
        a.copy(),
        a.clip(0, 1),
        a.round(1),
        a.repeat(2),
        a.conj(),
        a.conjugate(),
        a.take([0, 1]),
    ),
    A,
    module=METHOD,
)
case(
    "dot diagonal trace matmul rmatmul",
    lambda q: (
        q.dot(q),
        q.diagonal(),
        q.trace(),
        q @ np.ones((4, 2)),
        np.ones((2, 4)) @ q,
        [1.0, 2.0, 3.0, 4.0] @ q,
    ),
    Q,
    module=METHOD,
)


def _written(a: Any, v: Any) -> Any:
    a, v = a.copy(), v.copy()
    v.sort()
    b = np.empty(3)
    b.fill(a[0, 0])
    a @= np.eye(4)
    return v, b, a, v.argsort(), v.searchsorted(0.0)


case("sort fill imatmul argsort searchsorted", _written, A, V, module=METHOD)
