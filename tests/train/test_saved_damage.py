"""Files that were changed: read as they say, or refused in words; nothing else ever comes of it."""

import contextlib
import io
import json
import os
import random
import zipfile

import numpy as np
import pytest

import descend
from descend import networks
from descend.result.saved import _Arrays, _checksum
from whole import WHOLE

X = np.linspace(0.1, 2.0, 30)
Y = 2.5 * np.exp(-1.3 * X) + 0.01 * np.sin(30 * X)
TABLE = {"x": X, "y": 2 * Y}
BASIS = np.linspace(0.0, 1.0, 30)
MANY = 1000 if WHOLE else 60
REPLACEMENTS = (
    None, -1, 0, 3, 10**12, 2**70, 0.5, True, "", "x", "rows", "a\x1b[31m", [], [1, "x"], {},
    {"a": 1}, {"$array": 0}, {"$array": 999}, {"$array": -1}, {"$array": "0"}, {"$float": "nan"},
    {"$float": "x"}, {"$tuple": [1, 2]}, {"$array": 0, "$shape": [10**9]}, json.loads("[" * 300 +
    "]" * 300),
)  # fmt: skip

OTHER_ARRAYS = (
    np.zeros(0), np.full(30, np.nan), np.array(np.inf), np.arange(30), np.ones((30, 1)),
    np.array(["a"] * 30), np.ones(3, complex), np.ones(30, bool), np.zeros((0, 5)),
    np.ones(30, np.float16), np.array(["2020-01-01"], "M8[D]"), np.zeros(2, "f8,i4"),
    np.array(1), np.array(1.0), np.ones((5,) * 3),
)  # fmt: skip


def decay(x, a, k):
    return a * np.exp(-k * x) + 0 * a * BASIS.sum()


def one():
    return descend.fit(
        decay, X, Y, start={"a": 1.0, "k": 1.0}, optimizer=descend.Adam(lr=0.05), epochs=20,
        batch_size=10, record=["params"], bounds={"k": (0, 9)},
    )  # fmt: skip


def together():
    sets = [descend.Dataset(decay, X, Y, name="u"), descend.Dataset("y = a*exp(-k*x)", TABLE)]
    return descend.fit_global(sets, shared=["k"], start={"a": 1.0, "k": 1.0}, epochs=8)


def saved_by(make, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "a.descend"
    make().save(path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return saved_by(one, tmp_path_factory)


@pytest.fixture(scope="module", params=[one, together])
def any_saved(request, tmp_path_factory):
    return saved_by(request.param, tmp_path_factory)


def used(path):
    """Everything that a loaded fit is asked for."""
    fit = descend.load(path)
    if isinstance(fit, descend.GlobalFit):
        _ = str(fit), repr(fit), fit.to_json_dict(), fit._repr_html_(), len(fit)
        for part in fit:
            _ = repr(part), part.predict({"x": X})
        with contextlib.suppress(descend.DescendError):
            descend.fit_global(decay, [X, X], [Y, Y], shared=["k"], start=fit)
        return
    _ = str(fit), repr(fit), fit.to_json_dict(), fit._repr_html_(), fit.predict(X)
    again = {"optimizer": descend.Adam(lr=0.05), "epochs": 30, "batch_size": 10}
    with contextlib.suppress(descend.DescendError):
        descend.fit(decay, X, Y, resume=fit, record=["params"], bounds={"k": (0, 9)}, **again)


def places(value, way=()):
    """Every place in a tree of JSON."""
    yield way
    entries = value.items() if isinstance(value, dict) else ()
    entries = enumerate(value) if isinstance(value, list) else entries
    for key, entry in entries:
        yield from places(entry, (*way, key))


def written(path, content, arrays):
    """A file of this content, with the checksum that belongs to it."""
    content.pop("check", None)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        own = {**content, "check": _checksum(content, arrays)}
        file.writestr("fit.json", json.dumps(own))
        for number, array in enumerate(arrays):
            inner = io.BytesIO()
            np.save(inner, array)
            file.writestr(f"{number}.npy", inner.getvalue())
    path.write_bytes(buffer.getvalue())


def parts_of(saved):
    with zipfile.ZipFile(io.BytesIO(saved)) as file:
        read = _Arrays(file)
        return json.loads(file.read("fit.json")), [
            read[k] for k in range(len(file.namelist()) - 1)
        ]  # fmt: skip


@pytest.mark.fuzz
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(4))
def test_a_replaced_field_is_read_or_refused(any_saved, tmp_path, seed):
    content, arrays = parts_of(any_saved)
    draw, path, refused = random.Random(seed), tmp_path / "a.descend", 0
    ways = [way for way in places(content) if way and way[0] not in ("check", "format")]
    for _ in range(MANY // 4):
        copy, own = json.loads(json.dumps(content)), list(arrays)
        if draw.random() < 0.2:
            own[draw.randrange(len(own))] = draw.choice(OTHER_ARRAYS)
        else:
            *outer, last = draw.choice(ways)
            inner = copy
            for key in outer:
                inner = inner[key]
            inner[last] = draw.choice(REPLACEMENTS)
        written(path, copy, own)
        try:
            used(path)
        except descend.DescendError as error:
            refused += 1
            words = ("damaged", "later version", "asks for the number of rows", "are known")
            assert any(word in str(error) for word in words)
    assert refused > MANY // 16


@pytest.mark.fuzz
@pytest.mark.parametrize("seed", range(4))
def test_flipped_bits_are_refused(any_saved, tmp_path, seed):
    saved = any_saved
    draw, path = random.Random(seed), tmp_path / "a.descend"
    for _ in range(MANY // 4):
        content = bytearray(saved)
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(content))
        try:
            fit = descend.load(path)
        except descend.DataError:
            continue
        path.write_bytes(saved)
        whole = descend.load(path)  # what does not matter to a zip, such as dates
        assert fit.to_json_dict() == whole.to_json_dict()
        parts = [(fit, whole)] if isinstance(fit, descend.Fit) else zip(fit, whole, strict=True)
        for part, other in parts:
            assert np.array_equal(part.predict({"x": X}), other.predict({"x": X}))


def test_a_file_that_unpacks_to_more_is_refused(saved, tmp_path):
    content, _ = parts_of(saved)
    path = tmp_path / "a.descend"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("fit.json", json.dumps(content))
        file.writestr("0.npy", bytes(1 << 28))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(descend.DataError, match="it is compressed"):
        descend.load(path)


def test_entries_that_lie_in_one_another_are_refused(saved, tmp_path):
    content, arrays = parts_of(saved)
    path = tmp_path / "a.descend"
    written(path, content, arrays)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("more.npy", bytes(1 << 20))
        file.filelist += [file.getinfo("more.npy")] * 2000  # 2 GiB in a file of 1 MiB
    with pytest.raises(descend.DataError, match="it holds more than its size"):
        descend.load(path)


def test_an_array_that_a_model_would_make_is_bounded(saved, tmp_path):
    content, arrays = parts_of(saved)
    nodes = content["model"]["graph"]["nodes"]
    scalar = next(k for k, n in enumerate(nodes) if n["op"] == "input" and n["shape"] == [])
    nodes.append({"op": "broadcast", "args": [scalar], "attrs": {"shape": [10**12], "axes": []}})
    path = tmp_path / "a.descend"
    written(path, content, arrays)
    with pytest.raises(descend.DataError, match="is too large"):
        descend.load(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(descend.DataError, match="is no file"):
            descend.load(path)


@pytest.mark.parametrize("shape", [(10**12,), (10**6, 10**6, 10**6), (-1,), (3,)])
def test_an_array_that_promises_more_is_refused(saved, tmp_path, shape):
    content, _ = parts_of(saved)
    path, header = tmp_path / "a.descend", io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"shape": shape, "fortran_order": False, "descr": "<f8"}
    )
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("fit.json", json.dumps({**content, "version": 1}))
        file.writestr("0.npy", header.getvalue() + bytes(16))
    with pytest.raises(descend.DataError, match="damaged"):
        descend.load(path)


def test_a_file_of_the_first_version_has_no_checksum(saved, tmp_path):
    content, arrays = parts_of(saved)
    path = tmp_path / "a.descend"
    written(path, {**content, "version": 1}, arrays)
    whole = tmp_path / "b.descend"
    whole.write_bytes(saved)
    assert descend.load(path).params == descend.load(whole).params


NAN = {"$float": "nan"}


def telling():
    """A network of indices and labels, whose fields those above have not."""
    x = np.arange(30).reshape(-1, 1) % 7
    model = networks.Sequential(networks.Embedding(7, 2), networks.Flatten(), networks.Linear())
    return descend.fit(model, x, np.array(["a", "b", "c"])[x[:, 0] % 3], epochs=1)


def rescaled():
    x = np.column_stack([X, BASIS])
    return descend.fit(networks.mlp([2]), x, Y, epochs=1, batch_size=30)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make, way, other", [
    (telling, ("members",), 2**70), (telling, ("members",), -1), (telling, ("members",), True),
    (telling, ("members",), 7.0), (telling, ("graph", "outputs"), []),
    (telling, ("answer", "classes"), ["a", "b"]),
    (telling, ("answer", "classes"), ["a", "b", "c", "d"]),
    (rescaled, ("scaling", "columns", "x", 0), NAN),
    (rescaled, ("scaling", "columns", "x", 1), "s"),
    (rescaled, ("scaling", "target", 0), NAN), (rescaled, ("scaling", "target"), [1.0]),
    (rescaled, ("scaling", "power"), 2**70), (rescaled, ("scaling", "power"), 0.5),
])  # fmt: skip
def test_fields_of_networks_are_checked(tmp_path, make, way, other):
    path = tmp_path / "a.descend"
    make().save(path)
    content, arrays = parts_of(path.read_bytes())
    inner = content["model"]
    for key in way[:-1]:
        inner = inner[key]
    assert way[-1] in inner or isinstance(way[-1], int)
    inner[way[-1]] = other
    written(path, content, arrays)
    with pytest.raises(descend.DataError, match="damaged"):
        descend.load(path)
