"""A tab's bench: setups exchanged, refused, overtaken; points; runs kept. Sessions of any model."""

import asyncio
import dataclasses
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import numpy as np
import pytest

import descend
from descend.errors import DataError, FormulaError, UsageError
from descend.studio import descent
from descend.studio.bench import Bench
from descend.studio.frames import STATES, unpack
from descend.studio.opened import read_text, sample_setup
from descend.studio.session import Session
from descend.studio.setup import PARABOLA, Layer, Setup, Source, hash_of

RNG = np.random.default_rng(5)


def run(talk: Callable[[Bench], Awaitable[None]], setup: Setup = PARABOLA) -> None:
    async def meet() -> None:
        bench = Bench()
        await bench.put(setup)
        try:
            await talk(bench)
        finally:
            bench.close()

    asyncio.run(meet())


def seen(session: Session, have: int = -1) -> dict[str, Any]:
    """The next frame of a session."""
    there, got = threading.Event(), []
    session.ask(have, lambda n, frame: (got.append(frame), there.set()))
    assert there.wait(20)
    head, blocks = unpack(got[0])
    return {**head, **blocks, "state": [*STATES][int(head["state"])]}


def after(session: Session, name: str, value: Any = 1.0) -> dict[str, Any]:
    have = int(seen(session)["sequence"])
    session.order(name, value)
    return seen(session, have)


@pytest.fixture
def opened() -> Iterator[Callable[..., Session]]:
    made: list[Session] = []

    def opening(setup: Setup, table: Any = None) -> Session:
        made.append(Session(setup, table))
        return made[-1]

    yield opening
    for session in made:
        session.close()


def own(**columns: Any) -> tuple[dict[str, np.ndarray], Source]:
    table = {name: np.asarray(c) for name, c in columns.items()}
    return table, Source(own="own", digest=hash_of(table))


# --- sessions of any model


MODELS = {
    "network": sample_setup("xor"),
    "three classes": sample_setup("iris"),
    "a formula by Levenberg-Marquardt": sample_setup("misra1a"),
    "a formula with momentum": dataclasses.replace(
        PARABOLA, optimizer="sgd", numbers={"momentum": 0.5}, batch_size=7, shuffle=True, held=0.2
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:not converged after 5:descend.DescendWarning")
@pytest.mark.parametrize("name", MODELS)
def test_where_a_session_stands_is_where_fit_would_be(
    opened: Callable[..., Session], name: str
) -> None:
    setup = MODELS[name]
    session = opened(setup)
    for _ in range(5):
        frame = after(session, "epoch")
    model, x, y, options = setup.call(setup.source.table())
    fit = descend.fit(model, x, y, **{**options, "epochs": 5, "starts": 1, "stop_loss": None})
    found = session._run.params
    for leaf, value in fit.params.items():
        np.testing.assert_array_equal(found[leaf], value)
    assert frame["loss"] == pytest.approx(fit.loss, rel=1e-6)
    assert frame["loss"] == session._run.loss
    shown = [np.linalg.norm(v) if np.ndim(v) else v for v in fit.params.values()]
    np.testing.assert_allclose(frame["params"], shown, rtol=1e-6)


def test_a_plane_tells_the_likeliest_class_and_how_likely_it_is(
    opened: Callable[..., Session],
) -> None:
    session = opened(sample_setup("iris"))
    frame, scene = after(session, "epoch"), session.scene()
    assert scene["kind"] == "plane" and scene["classes"] == ["setosa", "versicolor", "virginica"]
    cells, axes = scene["cells"], np.array(scene["axes"])
    assert frame["surface"].shape == (cells**2,)
    place = axes[:, 0] + (np.array([30, 11]) + 0.5) / cells * (axes[:, 1] - axes[:, 0])
    row = {"petal_length": place[:1], "petal_width": place[1:]}
    (likely,) = session._run.predict_proba(row)
    assert frame["surface"][11 * cells + 30] == pytest.approx(likely.argmax() + likely.max())


def test_maps_of_units_are_what_the_layers_give(opened: Callable[..., Session]) -> None:
    setup = dataclasses.replace(
        sample_setup("xor"), layers=(Layer(12, "tanh"), Layer(3, "relu")), held=0.0
    )
    session = opened(setup)
    frame, scene = after(session, "epoch"), session.scene()
    count, params = scene["map"], session._run.params
    assert scene["units"] == [10, 3]
    maps = frame["maps"].reshape(13, count, count)
    axes = np.array(scene["axes"])
    place = axes[:, 0] + (np.array([4, 9]) + 0.5) / count * (axes[:, 1] - axes[:, 0])
    table = setup.source.table()
    columns = np.stack([table["x1"], table["x2"]], axis=1)
    row = (place - columns.mean(axis=0)) / columns.std(axis=0)
    first = np.tanh(params["0.weight"] @ row + params["0.bias"])
    second = np.maximum(params["2.weight"] @ first + params["2.bias"], 0)
    np.testing.assert_allclose(maps[:10, 9, 4], first[:10], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(maps[10:, 9, 4], second, rtol=1e-4, atol=1e-5)


def test_curves_of_classes_over_one_input(opened: Callable[..., Session]) -> None:
    table, source = own(x=np.linspace(-1, 1, 30), kind=["a", "b", "c"] * 10)
    session = opened(Setup(source, "kind", ("x",), layers=(Layer(3, "relu"),)), table)
    frame, scene = seen(session), session.scene()
    likely = session._run.predict_proba({"x": np.array(scene["grid"])})
    np.testing.assert_allclose(frame["surface"].reshape(3, -1), likely.T)
    assert session.view.kind == "curve"


def test_many_inputs_are_pairs_or_a_table_of_classes(opened: Callable[..., Session]) -> None:
    a, b, c = RNG.normal(size=(3, 40))
    table, source = own(a=a, b=b, c=c, y=a + b * c, kind=np.where(a > 0, "up", "down"))
    session = opened(Setup(source, "y", ("a", "b", "c"), layers=(Layer(3, "tanh"),)), table)
    assert session.view.kind == "pairs"
    np.testing.assert_allclose(
        seen(session)["surface"], session._run.predict({n: table[n] for n in "abc"}), rtol=1e-5
    )
    session = opened(Setup(source, "kind", ("a", "b", "c"), layers=(Layer(3, "tanh"),)), table)
    counts = seen(session)["surface"].reshape(2, 2)
    told = session._run.predict({n: table[n] for n in "abc"})
    for i, true in enumerate(("down", "up")):
        for j, taken in enumerate(("down", "up")):
            assert counts[i, j] == np.sum((table["kind"] == true) & (told == taken))


def test_rows_are_shown_in_their_own_units_with_those_held_back(
    opened: Callable[..., Session],
) -> None:
    x = np.linspace(100, 200, 50)
    table, source = own(x=x, y=1e4 * x)
    session = opened(Setup(source, "y", ("x",), held=0.2, layers=(Layer(2, "tanh"),)), table)
    rows = session.view.rows
    assert rows.held.sum() == 10 and session.descent.n_rows == 40
    np.testing.assert_allclose(rows.y, 1e4 * rows.x[:, 0], rtol=1e-6)
    np.testing.assert_allclose(np.sort(rows.x[:, 0]), x, rtol=1e-6)


def test_one_example_of_shuffled_rows_names_its_row(opened: Callable[..., Session]) -> None:
    setup = dataclasses.replace(PARABOLA, shuffle=True, lr=0.1, seed=4)
    session = opened(setup)
    table = setup.source.table()
    before, told = np.array([1.0, 0.0, 1.0]), set()
    for _ in range(20):
        frame = after(session, "example")
        row = int(frame["row"])
        x, y = float(table["x"][row]), float(table["y"][row])
        basis = np.array([x * x, x, 1.0])
        expected = before - 0.1 * 2 * (basis @ before - y) * basis
        np.testing.assert_allclose(frame["params"], expected, rtol=1e-12)
        before = frame["params"]
        told.add(row)
    assert len(told) == 20 and told != set(range(20))


def test_batches_of_more_rows_take_no_examples(opened: Callable[..., Session]) -> None:
    session = opened(sample_setup("xor"))
    session.order("example")
    assert after(session, "batch")["updates"] == 1


def test_where_parameters_begin_is_set(opened: Callable[..., Session]) -> None:
    session = opened(PARABOLA)
    after(session, "epoch")
    frame = after(session, "begin", {"w3": 6.0})
    np.testing.assert_array_equal(frame["params"], [1, 0, 6])
    assert (frame["updates"], frame["state"]) == (0, "ready")
    frame = after(session, "epoch")
    model, x, y, options = dataclasses.replace(
        PARABOLA, start={"w1": 1.0, "w2": 0.0, "w3": 6.0}, epochs=1
    ).call(PARABOLA.source.table())
    fit = descend.fit(model, x, y, **options)
    np.testing.assert_array_equal(frame["params"], [*fit.params.values()])
    with pytest.raises(UsageError, match="begin takes no"):
        session.order("begin", {"w3": float("nan")})


def test_the_way_of_the_parameters(opened: Callable[..., Session]) -> None:
    session = opened(PARABOLA)
    places = [seen(session)["params"]]
    for _ in range(3):
        frame = after(session, "epoch")
        places.append(frame["params"])
    np.testing.assert_array_equal(frame["paths"].reshape(-1, 3), places)
    np.testing.assert_allclose(frame["path_epochs"], [0, 1, 2, 3])


def test_the_loss_of_many_rows_is_that_of_all_at_every_stop(
    opened: Callable[..., Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(descent, "LEAST", -1.0)  # as if all took long
    monkeypatch.setattr(descent, "SOME", 10)
    session = opened(dataclasses.replace(PARABOLA, stop_loss=None))
    session.order("speed", 13)
    frame = after(session, "play")
    while frame["updates"] < 1000:
        frame = seen(session, int(frame["sequence"]))
    assert frame["playing"] == 1
    session.order("pause")
    while frame["playing"]:
        frame = seen(session, int(frame["sequence"]))
    x, w = PARABOLA.source.table()["x"], frame["params"]
    error = w[0] * x**2 + w[1] * x + w[2] - (4 * x**2 + 5 * x + 6)
    assert frame["loss"] == pytest.approx(np.mean(error**2), rel=1e-9)
    spread = np.linspace(0, 99, 10).astype(int)
    some = session.descent.loss(session.descent.leaves(session.run), False)
    assert some == pytest.approx(np.mean(error[spread] ** 2), rel=1e-6)


def surface_of(session: Session, names: tuple[str, str]) -> dict[str, Any]:
    """The surface of the loss over two parameters, once it is whole."""
    seen(session)
    for _ in range(2000):
        told = session.slope.told
        if told is not None and tuple(told["names"][i] for i in told["chosen"]) == names:
            return told
        time.sleep(0.01)
    raise AssertionError("there is no surface")


@pytest.mark.parametrize("names", [("w1", "w2"), ("w3", "w1")])
def test_the_loss_over_two_parameters(
    opened: Callable[..., Session], names: tuple[str, str]
) -> None:
    session = opened(PARABOLA)
    known = ["w1", "w2", "w3"]
    session.order("plane", known.index(names[0]) * 64 + known.index(names[1]))
    told = surface_of(session, names)
    (a, b), (c, d) = told["spans"]
    assert a <= -10 and b >= 10 and c <= -10 and d >= 10
    x = PARABOLA.source.table()["x"]
    for up, across in ((0, 0), (20, 7), (32, 32)):
        w = {"w1": 1.0, "w2": 0.0, "w3": 1.0}
        w[names[0]] = a + (across + 0.5) / told["cells"] * (b - a)
        w[names[1]] = c + (up + 0.5) / told["cells"] * (d - c)
        error = w["w1"] * x**2 + w["w2"] * x + w["w3"] - (4 * x**2 + 5 * x + 6)
        found = told["values"][up * told["cells"] + across]
        assert found == pytest.approx(np.log10(np.mean(error**2)), abs=1e-4)


def test_another_place_of_the_others_is_another_surface(opened: Callable[..., Session]) -> None:
    session = opened(PARABOLA)
    first = surface_of(session, ("w1", "w2"))
    after(session, "epoch")
    for _ in range(2000):
        if session.slope.told is not first:
            break
        time.sleep(0.01)
    assert session.slope.told is not None
    assert session.slope.told["values"] != first["values"]
    assert session.slope.told["spans"] == first["spans"]


def test_a_plane_of_one_parameter_is_none(opened: Callable[..., Session]) -> None:
    session = opened(PARABOLA)
    first = surface_of(session, ("w1", "w2"))
    for plane in (0, 65, 3, 64 * 63):
        assert after(session, "plane", plane)["updates"] == 0
    assert surface_of(session, ("w1", "w2")) is first
    with pytest.raises(UsageError, match="plane takes no"):
        session.order("plane", -1)
    assert not opened(sample_setup("xor")).slope.is_there


def test_rows_with_missing_values_are_left_out(opened: Callable[..., Session]) -> None:
    table, source = own(x=[0.0, 1, 2, np.nan, 4, 5], y=[0.0, 2, 4, 6, 8, 10])
    session = opened(Setup(source, "y", ("x",), formula="y = a*x", optimizer="lm"), table)
    assert session.descent.n_rows == 5
    assert session.descent.job.rows is not None and session.descent.job.rows.n_dropped == 1


SAID = {
    "xor": "converging", "circle": "converging", "gauss": "converging", "iris": "converging",
    "misra1a": "arrived", "rat43": "arrived", "eckerle4": "arrived", "thurber": "arrived",
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_what_is_said_of_samples(opened: Callable[..., Session], name: str) -> None:
    session = opened(sample_setup(name))
    for _ in range(40):
        frame = after(session, "epoch")
        if frame["ended"]:
            break
    assert frame["state"] == SAID[name]


# --- the bench


def test_what_is_refused_leaves_all_as_it_was() -> None:
    async def talk(bench: Bench) -> None:
        session, gone = bench.session, Source(own="a", digest="1")
        wrong: list[tuple[Setup, type[Exception], str]] = [
            (dataclasses.replace(PARABOLA, formula="y = a*x + sin("), FormulaError, r"\^"),
            (dataclasses.replace(PARABOLA, formula="z = a*x"), FormulaError, "no column"),
            (dataclasses.replace(PARABOLA, target="z"), DataError, 'no column "z"'),
            (dataclasses.replace(PARABOLA, inputs=("y",)), UsageError, "target and an input"),
            (dataclasses.replace(PARABOLA, source=gone), DataError, "not here"),
        ]  # fmt: skip
        for setup, kind, words in wrong:
            with pytest.raises(kind, match=words):
                await bench.put(setup)
            assert bench.session is session and bench.setup == PARABOLA
        assert after(session, "example")["updates"] == 1

    run(talk)


def test_the_session_before_ends_and_the_pace_stays() -> None:
    async def talk(bench: Bench) -> None:
        bench.set_speed(2)
        before = bench.session
        assert await bench.put(dataclasses.replace(PARABOLA, loss="mae"))
        before._thread.join(20)
        assert not before._thread.is_alive()
        assert seen(bench.session)["speed"] == 10.0

    run(talk)


def test_a_setup_that_was_overtaken_is_dropped() -> None:
    async def talk(bench: Bench) -> None:
        first, last = (dataclasses.replace(PARABOLA, seed=seed) for seed in (1, 2))
        done = await asyncio.gather(bench.put(first), bench.put(last))
        assert done == [False, True] and bench.setup.seed == 2

    run(talk)


def test_a_rate_that_is_set_while_it_compiles_is_kept() -> None:
    async def talk(bench: Bench) -> None:
        putting = asyncio.create_task(bench.put(dataclasses.replace(PARABOLA, loss="log_cosh")))
        await asyncio.sleep(0)
        bench.set_rate(0.25)
        await putting
        assert bench.setup.lr == 0.25 and seen(bench.session)["lr"] == 0.25

    run(talk)


def goes_on(
    *orders: str, first: str = "", carried: bool
) -> tuple[dict[str, Any], list[str]]:
    """What comes of orders that are given while a setup is compiled; and what waited."""
    found: dict[str, Any] = {}
    waited: list[str] = []

    async def talk(bench: Bench) -> None:
        bench.set_speed(0)
        if first:
            after(bench.session, first)
        bench.tell_waiting(lambda: waited.append(bench.waits))
        putting = asyncio.create_task(bench.put(dataclasses.replace(PARABOLA, seed=3)))
        await asyncio.sleep(0)
        for name in orders:
            bench.order(name)
        assert await putting and bench.setup.seed == 3
        found.update(seen(bench.session))
        while found["sequence"] < 1 + carried:  # the pace is an order too
            found.update(seen(bench.session, int(found["sequence"])))

    run(talk)
    return found, waited


@pytest.mark.parametrize(
    ("orders", "waited", "updates", "playing"),
    [
        (["toggle"], ["play", ""], 0, 1), (["play"], ["play", ""], 0, 1),
        (["example"], ["example", ""], 1, 0), (["batch", "epoch"], ["batch", "epoch", ""], 100, 0),
        (["toggle", "batch"], ["play", "batch", ""], 1, 0),
        (["batch", "toggle"], ["batch", "play", ""], 0, 1),
        (["toggle", "toggle"], ["play", ""], 0, 0), (["epoch", "reset"], ["epoch", ""], 0, 0),
        (["epoch", "pause"], ["epoch", ""], 0, 0),
    ],
)  # fmt: skip
def test_the_last_order_waits_for_what_is_compiled(
    orders: list[str], waited: list[str], updates: int, playing: int
) -> None:
    frame, told = goes_on(*orders, carried=bool(updates or playing))
    assert told == waited
    assert (frame["updates"], frame["playing"]) == (updates, playing)


def test_a_run_that_plays_is_paused_while_another_is_compiled() -> None:
    frame, told = goes_on("toggle", first="play", carried=False)
    assert told == [] and frame["playing"] == 0


def test_an_order_for_a_setup_that_is_refused_is_forgotten() -> None:
    async def talk(bench: Bench) -> None:
        wrong = dataclasses.replace(PARABOLA, formula="z = a*x")
        putting = asyncio.create_task(bench.put(wrong))
        await asyncio.sleep(0)
        bench.order("epoch")
        with pytest.raises(UsageError, match="batch takes no 0"):
            bench.order("batch", 0)
        assert bench.waits == "epoch"
        with pytest.raises(FormulaError, match="no column"):
            await putting
        assert bench.waits == "" and seen(bench.session)["updates"] == 0
        bench.order("batch")  # there is nothing to wait for
        assert seen(bench.session, 0)["updates"] == 1

    run(talk)


def test_points_are_added_to_the_curves_table() -> None:
    async def talk(bench: Bench) -> None:
        await bench.put(*bench.with_points([(0.5, 3.0), (0.25, 1.0)]))
        assert bench.session.descent.n_rows == 102
        assert bench.table["x"][-2:].tolist() == [0.5, 0.25]
        assert bench.setup.source.own == "points" and len(PARABOLA.source.table()["x"]) == 100

    run(talk)

    async def on_a_plane(bench: Bench) -> None:
        with pytest.raises(UsageError, match="one input"):
            bench.with_points([(0.0, 0.0)])

    run(on_a_plane, sample_setup("xor"))


def test_runs_are_kept_as_they_stood() -> None:
    async def talk(bench: Bench) -> None:
        after(bench.session, "epoch")
        bench.set_rate(0.1)
        bench.keep()
        after(bench.session, "epoch")
        (kept,) = bench.runs
        assert (kept.epoch, kept.setup.lr, kept.state) == (1, 0.1, "converging")
        assert kept.epochs.tolist() == [1] and kept.losses.shape == (1,)
        for _ in range(20):
            bench.keep()
        assert len(bench.runs) == 12

    run(talk)


def test_an_own_table_stays_for_other_setups() -> None:
    async def talk(bench: Bench) -> None:
        found = read_text("x,y\n0,1\n1,3\n2,5\n3,7\n", "mine")
        setup = Setup(found.source, "y", ("x",), formula="y = a*x + b", optimizer="lm")
        await bench.put(setup, found)
        await bench.put(dataclasses.replace(setup, formula="y = a*x**2 + b"))
        assert bench.session.descent.n_rows == 4

    run(talk)


def test_nobody_is_told_of_orders_where_none_waits() -> None:
    async def talk(bench: Bench) -> None:
        told: list[str] = []
        bench.tell_waiting(lambda: told.append(bench.waits))
        with pytest.raises(FormulaError):
            await bench.put(dataclasses.replace(PARABOLA, formula="z = a*x"))
        bench.order("pause")
        assert await bench.put(dataclasses.replace(PARABOLA, seed=1)) and told == []

    run(talk)
