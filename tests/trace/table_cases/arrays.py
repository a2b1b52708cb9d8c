"""Shapes, making arrays, indices."""

from typing import Any

import numpy as np

from table_cases.data import X0, X1, A, B, E, I, Q, S, V, W, case

# --- shapes -----------------------------------------------------------------------------------
case("reshape", lambda a: (np.reshape(a, (2, 6)), np.reshape(a, -1), a.reshape(4, -1)), A)
case("reshape", lambda a: np.reshape(a, (2, 6), order="F"), A)
case("ravel", lambda a: (np.ravel(a), np.ravel(a, order="F")), A)
case("transpose permute_dims", lambda a: (np.transpose(a), np.permute_dims(a, (2, 0, 1))), S)
case("matrix_transpose swapaxes", lambda a: (np.matrix_transpose(a), np.swapaxes(a, 0, 2)), S)
case(
    "moveaxis rollaxis",
    lambda a: (np.moveaxis(a, 0, -1), np.rollaxis(a, 2), np.rollaxis(a, 0, 3)),
    S,
)
case("moveaxis", lambda a: np.moveaxis(a, [0, 1], [-1, -2]), S)
case("expand_dims squeeze", lambda a: (np.expand_dims(a, 1), np.squeeze(a[:, None, :1])), A)
case("expand_dims", lambda a: np.expand_dims(a, (0, -1)), A)
case("squeeze", lambda a: np.squeeze(a[:, None], axis=1), A)
case(
    "atleast_1d atleast_2d atleast_3d",
    lambda a, x: (np.atleast_1d(x), np.atleast_2d(a), np.atleast_3d(a), np.atleast_2d(x)),
    V,
    X0,
)
case("broadcast_to", lambda a: np.broadcast_to(a, (2, 3, 4)), A)
case("broadcast_arrays", lambda a, b: np.broadcast_arrays(a, b), A, V[:4])
case("concatenate concat", lambda a, b: (np.concatenate([a, b]), np.concat((a, b), axis=1)), A, B)
case("concatenate", lambda a, b: np.concatenate([a, b], axis=None), A, I)
case("stack", lambda a, b: (np.stack([a, b]), np.stack([a, b], axis=-1), np.stack((a, a), 1)), A, B)
case(
    "vstack hstack dstack",
    lambda a, b: (np.vstack([a, b]), np.hstack([a, b]), np.dstack([a, b])),
    A,
    B,
)
case(
    "vstack hstack column_stack",
    lambda a, b: (np.vstack([a, b]), np.hstack([a, b]), np.column_stack([a, b])),
    V,
    W,
)
if hasattr(np, "row_stack"):
    case("row_stack", lambda a, b: np.row_stack([a, b]), V, W)
case("append", lambda a, b: (np.append(a, b), np.append(a, b, axis=0)), A, B)
case("block", lambda a, b: np.block([[a, b], [b, a]]), A, B)
case("split array_split", lambda a: (np.split(a, 2, axis=1), np.array_split(a, 2)), A)
case("split", lambda a: np.split(a, [1, 3]), V)
case("hsplit vsplit dsplit", lambda a: (np.hsplit(a, 3), np.vsplit(a, 2), np.dsplit(a, 2)), S)
case("unstack", lambda a: np.unstack(a, axis=1), A)
case("flip flipud fliplr", lambda a: (np.flip(a), np.flipud(a), np.fliplr(a), np.flip(a, 1)), A)
case("rot90", lambda a: [np.rot90(a, k) for k in range(-1, 4)], A)
case("roll", lambda a: (np.roll(a, 2), np.roll(a, -1, axis=1), np.roll(a, (1, 2), (0, 1))), A)
case("repeat", lambda a: (np.repeat(a, 2), np.repeat(a, [1, 0, 2], axis=0)), A)
case("tile", lambda a: (np.tile(a, 2), np.tile(a, (2, 1, 3))), A)
case("resize", lambda a: np.resize(a, (2, 7)), A)
case("shape ndim size", lambda a: (a * np.shape(a)[0], np.ndim(a), np.size(a), np.size(a, 1)), A)
case("astype", lambda a: (np.astype(a, np.float32), np.astype(a, int), a.astype("f4")), A)
# --- making -----------------------------------------------------------------------------------
case("array", lambda a, b: np.array([[a, 1], [2.5, b]]), X0, X1)
case("array", lambda a, b: (np.array(a), np.array([a, b], ndmin=2), np.array((a[0], b[0]))), A, B)
case(
    "asarray asanyarray ascontiguousarray asfortranarray",
    lambda a, x: (
        np.asarray(a),
        np.asanyarray([x, 1]),
        np.ascontiguousarray(a),
        np.asfortranarray(a),
    ),
    A,
    X0,
)
case("asarray_chkfinite copy", lambda a: (np.asarray_chkfinite(a), np.copy(a)), A)
case(
    "full full_like",
    lambda a, x: (np.full((2, 2), x), np.full_like(a, x), np.full(3, a[0, :3])),
    A,
    X0,
)
case(
    "zeros_like ones_like empty_like zeros ones empty",
    lambda a: (
        np.zeros_like(a),
        np.ones_like(a, dtype=int),
        np.empty_like(a) * 0 + np.zeros(4) + np.ones(4) + 0 * np.empty(4),
    ),
    A,
)
case("linspace", lambda x, y: (np.linspace(x, y, 7), np.linspace(0, y, 4, endpoint=False)), X0, X1)
case("linspace", lambda a: np.linspace(a, 1.0, 3, retstep=True), V)
case("logspace geomspace", lambda x, y: (np.logspace(x, y, 5), np.geomspace(x, y, 5)), X0, X1)
case(
    "arange eye identity tri indices fromfunction",
    lambda a: (
        a + np.arange(4) + np.eye(3, 4),
        np.identity(3),
        np.tri(3),
        np.indices((2, 2)),
        np.fromfunction(lambda i, j: i + j, (2, 2)),
    ),
    A,
)
case(
    "fromiter frombuffer",
    lambda a: a + np.fromiter((i for i in range(4)), float) + np.frombuffer(np.ones(4).tobytes()),
    A,
)
case("vander", lambda a: (np.vander(a), np.vander(a, 3, increasing=True)), V)
case(
    "meshgrid",
    lambda a, b: (
        np.meshgrid(a, b),
        np.meshgrid(a, b, indexing="ij"),
        np.meshgrid(a, b, sparse=True),
    ),
    V,
    W[:3],
)
# --- index ------------------------------------------------------------------------------------
case(
    "take",
    lambda a: (
        np.take(a, [0, 5, -1]),
        np.take(a, np.array([[1, 0]]), axis=1),
        np.take(a, 7, mode="wrap"),
        np.take(a, [9, -9], axis=0, mode="clip"),
    ),
    A,
)
case(
    "take_along_axis",
    lambda a: (
        np.take_along_axis(a, np.argsort(a, axis=1), axis=1),
        np.take_along_axis(a, np.argsort(a, axis=0), 0),
    ),
    A,
)
case("take_along_axis", lambda a: np.take_along_axis(a, np.array([[0], [-1], [2]]), 1), A)
case(
    "compress extract",
    lambda a: (
        np.compress([True, False, True], a, axis=0),
        np.extract(np.array([True, False] * 6), a),
    ),
    A,
)
case("choose", lambda a, b: np.choose([[0, 1, 0, 1]], [a, b]), A, B)
case("sort", lambda a: (np.sort(a), np.sort(a, axis=0), np.sort(a, axis=None)), A)
case("sort", lambda a: np.sort(a), E)
case("argsort", lambda a: (np.argsort(a), np.argsort(a, axis=0), np.argsort(a, axis=None)), A)
case("partition", lambda a: np.sort(np.partition(a, 2)), V)
case("argpartition", lambda a: a[np.argpartition(a, 2)[2]], V)
case(
    "searchsorted",
    lambda a, v: (np.searchsorted(np.sort(a), v), np.searchsorted(np.sort(a), v, side="right")),
    V,
    A,
)
case(
    "searchsorted",
    lambda v: np.searchsorted([0.0, 0.0, 1.0, 2.0], v),
    np.array([0.0, 1.0, 2.5, -1.0, np.nan]),
)
case(
    "digitize",
    lambda v: (
        np.digitize(v, [-1.0, 0.0, 1.0]),
        np.digitize(v, [1.0, 0.0], right=True),
        np.digitize(v, [0.0, 1.0], True),
    ),
    A,
)
case(
    "diagonal diag",
    lambda a: (np.diagonal(a), np.diagonal(a, -1), np.diag(a, 1), np.diag(a[0]), np.diag(a[1], -2)),
    A,
)
case("diagonal", lambda a: np.diagonal(a, 1, 2, 0), S)
case("diagflat tril triu", lambda a: (np.diagflat(a), np.tril(a), np.triu(a, 1), np.tril(a, -1)), A)


def _filled_diagonal(a: Any, x: Any) -> Any:
    out = np.zeros((4, 4))
    np.fill_diagonal(out, x)
    b = a.copy()
    np.fill_diagonal(b, 2 * x)
    return out, b


case("fill_diagonal", _filled_diagonal, Q, X0)
for _mode in ("edge", "reflect", "symmetric", "wrap"):
    case("pad", lambda a, _mode=_mode: np.pad(a, ((1, 2), (3, 1)), mode=_mode), A)
case(
    "pad",
    lambda a, x: (
        np.pad(a, 1),
        np.pad(a, (0, 2), constant_values=5),
        np.pad(a, 1, constant_values=x),
    ),
    A,
    X0,
)
case(
    "delete",
    lambda a: (np.delete(a, 1), np.delete(a, [0, 2], axis=1), np.delete(a, slice(0, 2), axis=0)),
    A,
)
case(
    "insert",
    lambda a, b: (np.insert(a, 1, b), np.insert(a, [1, 3], b[:2]), np.insert(a, 0, 9.0)),
    V,
    W,
)
case("insert", lambda a, b: np.insert(a, 1, b[:3], axis=1), A, V)


def _put_along(a: Any, x: Any) -> Any:
    b = a.copy()
    np.put_along_axis(b, np.array([[1], [0], [3]]), x, axis=1)
    return b


case("put_along_axis", _put_along, A, X0)
case("ix_", lambda a: a[np.ix_([0, 2], [1, 3])], A)
case("isin", lambda a: (np.isin(a, [1, 2, 3]), np.isin(a, [1], invert=True)), I)
