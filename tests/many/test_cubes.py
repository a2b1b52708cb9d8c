"""Arrays with named dimensions: many fits of them, and a Dataset back."""

import datetime
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import descend
from descend import DataError, UsageError
from descend.records.many import OUTCOMES

xarray = pytest.importorskip("xarray")

T = np.linspace(0.0, 4.0, 30)
START = {"a": 1.0, "k": 1.0, "c": 0.0}
FORMULA = "flux = a*exp(-k*time) + c"


def decay(x, a, k, c):
    return a * np.exp(-k * x) + c


@pytest.fixture
def cube() -> Any:
    """Fluxes over latitude, time and longitude, in this order."""
    rng = np.random.default_rng(1)
    k = rng.uniform(0.5, 2.0, (4, 1, 5))
    values = decay(T[None, :, None], 2.0, k, 0.5) + 0.02 * rng.normal(size=(4, 30, 5))
    coords = {
        "lat": [10.0, 20.0, 30.0, 40.0], "time": T, "lon": np.arange(5) * 7,
        "zone": ("lat", list("abcd")), "height": 2.0,
    }  # fmt: skip
    attrs = {"units": "W m-2"}
    return xarray.DataArray(values, coords, ("lat", "time", "lon"), "flux", attrs)


def plain(cube: Any) -> Any:
    """(fits, points)"""
    return cube.transpose("lat", "lon", "time").values.reshape(20, 30)


def same(found: Any, wanted: Any) -> None:
    for name, array in wanted.params.items():
        np.testing.assert_array_equal(found.params[name], array)
        np.testing.assert_array_equal(found.stderr[name], wanted.stderr[name])
    for name in ("status", "iterations", "loss", "chi2", "dof"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))


@pytest.mark.parametrize("model", [decay, FORMULA, lambda time, a, k, c: decay(time, a, k, c)])
def test_the_fits_are_those_of_plain_arrays(cube: Any, model: Any) -> None:
    fits = descend.fit_many(model, cube, dim="time", start=START, covariance=True)
    wanted = descend.fit_many(decay, T, plain(cube), start=START, covariance=True)
    assert isinstance(fits, type(wanted))
    same(fits, wanted)
    found = fits.to_xarray()
    assert found["k"].dims == ("lat", "lon")
    np.testing.assert_array_equal(found["k"].values.reshape(-1), wanted.params["k"])
    np.testing.assert_array_equal(found["k_stderr"].values.reshape(-1), wanted.stderr["k"])
    np.testing.assert_array_equal(found["covariance"].values.reshape(20, 3, 3), wanted.covariance)
    assert found["covariance"].sel(cov_i="k", cov_j="k").values == pytest.approx(
        found["k_stderr"].values ** 2
    )


def test_the_oracle_of_the_field_agrees(cube: Any) -> None:
    """xarray's own `curvefit`, which calls SciPy's once a pixel."""
    wanted = cube.curvefit("time", decay, p0=START)
    found = descend.fit_many(decay, cube, dim="time", start=START).to_xarray()
    variances = wanted["curvefit_covariance"]
    for name in START:
        best = wanted["curvefit_coefficients"].sel(param=name, drop=True)
        xarray.testing.assert_allclose(found[name], best.rename(name), rtol=1e-5)
        error = np.sqrt(variances.sel(cov_i=name, cov_j=name)).values
        np.testing.assert_allclose(found[f"{name}_stderr"].values, error, rtol=1e-3)


def test_a_dataset_tells_what_it_holds(cube: Any, tmp_path: Path) -> None:
    cube[1, 3, 2] = np.nan
    found = descend.fit_many(decay, cube, dim="time", start=START).to_xarray()
    assert {*found.data_vars} == {
        "a", "k", "c", "a_stderr", "k_stderr", "c_stderr", "status", "iterations", "loss", "chi2",
        "dof",
    }  # fmt: skip
    assert {*found.coords} == {"lat", "lon", "zone", "height"}
    assert found["zone"].dims == ("lat",) and found.sel(lat=20.0)["zone"] == "b"
    assert found.attrs == {
        "model": "decay(x, a, k, c)", "target": "flux", "target_units": "W m-2",
    }  # fmt: skip
    status = found["status"]
    meanings = dict(
        zip(status.attrs["flag_values"], status.attrs["flag_meanings"].split(), strict=True)
    )
    assert {code: outcome.name for code, outcome in OUTCOMES.items()} == meanings
    assert meanings[int(status[1, 2])] == "bad_data" and int((status == status[1, 2]).sum()) == 1
    for name in ("a", "k", "k_stderr", "loss", "chi2"):
        assert int(found[name].isnull().sum()) == 1 and bool(found[name][1, 2].isnull())
    assert "units" not in found["k"].attrs
    found.to_netcdf(tmp_path / "fits.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "fits.nc", engine="scipy") as again:
        xarray.testing.assert_equal(again.load().drop_vars("zone"), found.drop_vars("zone"))
        assert again["status"].attrs["flag_meanings"] == status.attrs["flag_meanings"]


def test_points_that_are_missing_are_dropped(cube: Any) -> None:
    cube[1, 3, 2] = np.nan
    cube[0, :, 0] = np.nan
    fits = descend.fit_many(decay, cube, dim="time", start=START, missing="drop")
    found = fits.to_xarray()
    assert int(found["dof"][1, 2]) == 26 and int(found["dof"][1, 1]) == 27
    assert fits.outcomes[int(found["status"][0, 0])].name == "too_few_points"
    wanted = cube.isel(lat=1, lon=2).dropna("time")
    one = descend.fit(decay, wanted["time"].values, wanted.values, start=START)
    assert float(found["k"][1, 2]) == pytest.approx(one.params["k"], rel=1e-6)


def test_sigmas_weights_and_starts_go_by_their_names(cube: Any) -> None:
    """Whatever the order of their dimensions, and of however many."""
    rng = np.random.default_rng(2)
    by_time = xarray.DataArray(0.1 + T, {"time": T}, "time")
    by_place = xarray.DataArray(
        rng.uniform(1, 2, (5, 4)), {"lon": cube["lon"], "lat": cube["lat"]}, ("lon", "lat")
    )
    by_lat = xarray.DataArray([0.6, 0.9, 1.2, 1.5], {"lat": cube["lat"]}, "lat")
    place = by_place.transpose("lat", "lon").values.reshape(20)
    for sigma, whole in (
        (by_time, 0.1 + T), (by_place, place[:, None]), (0.3, 0.3),
        (by_place * by_time, place[:, None] * (0.1 + T)),
    ):  # fmt: skip
        options = {"absolute_sigma": True, "starts": 1}
        one = descend.fit_many(
            decay, cube, dim="time", sigma=sigma, start={**START, "k": by_lat}, **options
        )
        start = {**START, "k": np.repeat(by_lat.values, 5)}
        same(one, descend.fit_many(decay, T, plain(cube), sigma=whole, start=start, **options))
    one = descend.fit_many(
        decay, cube, dim="time", start={"a": 1, "k": 1}, fixed={"c": by_place},
        sample_weight=by_time,
    )  # fmt: skip
    same(one, descend.fit_many(
        decay, T, plain(cube), start={"a": 1, "k": 1}, fixed={"c": place}, sample_weight=0.1 + T
    ))  # fmt: skip
    np.testing.assert_array_equal(
        one.to_xarray()["c"], by_place.transpose("lat", "lon")
    )


def test_a_start_need_not_be_there_where_nothing_is_fitted(cube: Any) -> None:
    cube[2, :, 3] = np.nan
    before = descend.fit_many(decay, cube, dim="time", start=START).to_xarray()
    assert bool(before["k"][2, 3].isnull())
    start = {name: before[name] for name in START}
    again = descend.fit_many(decay, cube, dim="time", start=start)
    assert again.counts()["bad_data"] == 1 and again.iterations.max() <= 3
    start["k"] = start["k"].where(before["lat"] < 35)
    with pytest.raises(UsageError, match='the parameter "k" of fit 15 starts as nan'):
        descend.fit_many(decay, cube, dim="time", start=start)


def test_a_dataset_has_variables_for_all_of_it(cube: Any) -> None:
    rng = np.random.default_rng(3)
    table = cube.to_dataset()
    table["error"] = ("time", 0.01 + T)
    table["heat"] = (("lat", "time"), rng.normal(size=(4, 30)))
    table["flux"] = table["flux"] + 0.3 * table["heat"]
    model = "flux = a*exp(-k*time) + b*heat"
    options = {"start": {"a": 1, "k": 1, "b": 0}, "dim": "time"}
    one = descend.fit_many(model, table, sigma="error", **options)
    heat = np.repeat(table["heat"].values, 5, axis=0)
    flux = table["flux"].transpose("lat", "lon", "time").values.reshape(20, 30)
    wanted = descend.fit_many(
        model, {"time": T, "heat": heat}, flux, sigma=0.01 + T, start=options["start"]
    )
    same(one, wanted)
    named = descend.fit_many(
        lambda time, heat, a, k, b: a * np.exp(-k * time) + b * heat, table, "flux",
        sigma="error", **options,
    )  # fmt: skip
    same(named, wanted)
    other = descend.fit_many(
        model, {"time": table["time"], "heat": table["heat"]}, table["flux"],
        sigma=table["error"], **options,
    )  # fmt: skip
    same(other, wanted)


def test_several_dimensions_make_the_points_of_one_fit() -> None:
    """A spot in each picture of a film."""
    rng = np.random.default_rng(4)
    x, y = np.linspace(-2, 2, 11), np.linspace(-1, 1, 7)

    def spot(x, y, a, u, v):
        return a * np.exp(-((x - u) ** 2) - (y - v) ** 2)

    u = rng.uniform(-0.5, 0.5, 3)
    film = xarray.DataArray(
        spot(x[:, None], y, 3.0, u[:, None, None], 0.1) + 0.01 * rng.normal(size=(3, 11, 7)),
        {"x": x, "y": y, "frame": [5, 6, 7]}, ("frame", "x", "y"), "light",
    )  # fmt: skip
    start = {"a": 1, "u": 0, "v": 0}
    found = descend.fit_many(spot, film, dim=("x", "y"), start=start)
    grid = {"x": np.repeat(x, 7), "y": np.tile(y, 11)}
    same(found, descend.fit_many(spot, grid, film.values.reshape(3, 77), start=start))
    by_order = descend.fit_many(
        lambda across, up, a, u, v: spot(across, up, a, u, v), film, dim=["x", "y"], start=start
    )
    same(by_order, found)
    np.testing.assert_allclose(found.to_xarray()["u"].sel(frame=[5, 6, 7]), u, atol=0.02)


def test_a_coordinate_of_each_fit_and_one_fit_alone(cube: Any) -> None:
    hours = xarray.DataArray(
        T * np.array([1.0, 2.0, 3.0, 4.0])[:, None], dims=("lat", "time"), name="hours"
    )
    cube = cube.assign_coords(hours=hours)
    model = lambda hours, a, k, c: decay(hours, a, k, c)  # noqa: E731
    found = descend.fit_many(model, cube, dim="time", start=START)
    whole = np.repeat(hours.values, 5, axis=0)
    same(found, descend.fit_many(model, whole, plain(cube), start=START))
    assert "hours" not in found.to_xarray().coords
    one = descend.fit_many(model, cube.isel(lat=1, lon=2), dim="time", start=START)
    assert one.to_xarray()["k"].dims == () and len(one) == 1
    assert float(one.to_xarray()["k"]) == found.params["k"][7]


def test_arrays_of_parameters_keep_their_dimensions(cube: Any) -> None:
    def steps(x, w):
        return w[0] + w[1] * x

    begin = xarray.DataArray([0.0, 0.0], {"power": [0, 1]}, "power")
    found = descend.fit_many(steps, cube, dim="time", start={"w": begin}).to_xarray()
    assert found["w"].dims == ("lat", "lon", "power")
    plain = descend.fit_many(steps, cube, dim="time", start={"w": np.zeros(2)}).to_xarray()
    assert plain["w"].dims == ("lat", "lon", "w_dim_0")
    np.testing.assert_array_equal(plain["w"], found["w"])


def test_other_data_have_a_dataset_too() -> None:
    x = np.linspace(0, 1, 10)
    fits = descend.fit_many("y = a*x", {"x": x}, [[1.0], [2.0]] * x, start={"a": 1})
    assert fits.to_xarray()["a"].dims == ("fit",) and not fits.to_xarray().coords
    table = {"x": [1.0, 2.0, 1.0, 2.0], "y": [1.0, 2.0, 3.0, 6.0], "id": ["b", "b", "a", "a"]}
    found = descend.fit_many("y = a*x", table, by="id", start={"a": 1}).to_xarray()
    np.testing.assert_allclose(found["a"].sel(id=["a", "b"]), [3.0, 1.0])


def test_fits_are_pickled_with_their_places(cube: Any) -> None:
    fits = descend.fit_many(decay, cube, dim="time", start=START)
    again = pickle.loads(pickle.dumps(fits)).to_xarray()
    xarray.testing.assert_identical(again, fits.to_xarray())


@pytest.mark.parametrize("kind", ["dates", "spans", "objects"])
def test_dates_are_refused_and_the_remedy_works(cube: Any, kind: str) -> None:
    spans = (T * 24).astype("timedelta64[h]").astype("timedelta64[ns]")
    days = np.datetime64("2024-02-27", "ns") + spans
    objects = [datetime.datetime(2024, 2, 27) + datetime.timedelta(hours=int(t * 24)) for t in T]
    times = {"dates": days, "spans": spans, "objects": np.array(objects, dtype=object)}[kind]
    values = cube.assign_coords(time=times)
    with pytest.raises(DataError, match="time holds dates or spans of time, no numbers") as error:
        descend.fit_many(decay, values, dim="time", start=START)
    (remedy,) = error.value.remedy.partition(": ")[2:]
    mended = eval(remedy, {"values": values, "numpy": np})
    found = descend.fit_many(decay, mended, dim="time", start=START)
    hours = np.floor(T * 24)
    same(found, descend.fit_many(decay, hours / 24, plain(cube), start=START))


@pytest.mark.parametrize(
    ("change", "words", "remedy"),
    [
        ({"dim": None}, "which of the dimensions lat, time, lon the points", 'dim="time"'),
        ({"dim": "tiem"}, 'no dimension "tiem" (did you mean "time"?)', "lat, time, lon"),
        ({"dim": 3}, "dim is 3, and no name of a dimension", "one or several of lat, time, lon"),
        ({"by": "lat"}, "by names a column of a table", "dim=…"),
        ({"x": T, "y": np.ones((3, 30))}, "dim names a dimension of a DataArray", "leave it out"),
        ({"y": np.ones(3)}, "y is given as ndarray, and x is a DataArray", "the values alone"),
        ({"x": np.ones(30), "y": 0}, "x is given as ndarray, and y is a DataArray", "dims="),
        ({"x": 0}, "nothing says which variable of the Dataset", 'y="flux"'),
        ({"x": 0, "y": "flx"}, 'no variable "flx" (did you mean "flux"?)', "are flux"),
        ({"x": 0, "y": "flux", "sigma": "err"}, 'sigma="err" is no variable', "name one"),
        ({"sigma": np.ones(30)}, "sigma is given as ndarray, whose dimensions have no", "dims="),
        ({"x": 1}, 'the dimension "time" has no coordinate', "values.assign_coords(time=…)"),
        ({"model": "flux = a*t"}, "names nothing that lies along time", "write time in it"),
        ({"sigma": 0}, "sigma has the dimension level, and the values have lat", "rename it"),
        ({"sigma": 1}, "sigma lies at other values of lat than the data (2 of", "reindex_like"),
        ({"start": {**START, "k": 0}}, "start of k lies along time", ".isel or .mean"),
        ({"start": {**START, "k": 1}}, "start of k lies at other values of lat", ".reindex_like"),
        ({"coords": "time"}, 'no option "coords" (here it is called "dim")', "dim=…"),
    ],
    ids=str,
)  # fmt: skip
def test_refused(cube: Any, change: dict[str, Any], words: str, remedy: str) -> None:
    odd: dict[tuple[str, Any], Any] = {
        ("x", 0): cube.to_dataset(), ("x", 1): cube.drop_vars("time"), ("y", 0): cube,
        ("sigma", 0): xarray.DataArray([1.0], dims="level"),
        ("sigma", 1): xarray.DataArray([1.0, 2.0], {"lat": [10.0, 20.0]}, "lat"),
        ("k", 0): cube["time"], ("k", 1): cube["lat"] + 1.0,
    }  # fmt: skip
    odd["k", 1] = odd["k", 1].assign_coords(lat=cube["lat"] + 1.0)
    given = {"model": decay, "x": cube, "dim": "time", "start": START} | change
    given = {n: odd.get((n, v), v) if isinstance(v, int) else v for n, v in given.items()}
    if isinstance(change.get("start"), dict):
        given["start"] = {**START, "k": odd["k", change["start"]["k"]]}
    with pytest.raises((UsageError, DataError)) as error:
        descend.fit_many(**given)
    assert words in str(error.value)
    assert remedy in (error.value.remedy or "")


def test_names_that_meet_are_told(cube: Any) -> None:
    start = {"lat": 1.0, "a": 1.0}
    fits = descend.fit_many(lambda x, a, lat: a * np.exp(-lat * x), cube, dim="time", start=start)
    with pytest.raises(UsageError, match='"lat" is a coordinate or dimension') as error:
        fits.to_xarray()
    assert "values.rename(lat=…)" in error.value.remedy
    mended = descend.fit_many(
        lambda x, a, lat: a * np.exp(-lat * x), cube.rename(lat="north"), dim="time", start=start
    )
    assert mended.to_xarray()["lat"].dims == ("north", "lon")
    fits = descend.fit_many(lambda x, a, loss: a * x + loss, cube, dim="time")
    with pytest.raises(UsageError, match='a parameter is called "loss"'):
        fits.to_xarray()


def test_an_end_is_told_without_gaps() -> None:
    assert not [outcome.message for outcome in OUTCOMES.values() if "{" in outcome.message]


def test_arrays_of_dask_are_computed(cube: Any) -> None:
    pytest.importorskip("dask.array")
    parts = cube.chunk(lat=3, time=7)
    same(
        descend.fit_many(decay, parts, dim="time", start=START),
        descend.fit_many(decay, cube, dim="time", start=START),
    )


def test_a_table_of_the_fits_tells_their_places(cube: Any, tmp_path: Path) -> None:
    days = np.datetime64("2024-02-27", "D") + np.arange(4)
    fits = descend.fit_many(decay, cube.assign_coords(lat=days), dim="time", start=START)
    columns = fits.columns()
    assert [*columns][:3] == ["lat", "lon", "a"]
    np.testing.assert_array_equal(columns["lon"], np.tile(np.arange(5) * 7, 4))
    assert [day[:10] for day in columns["lat"][[0, 5]]] == ["2024-02-27", "2024-02-28"]
    fits.save(tmp_path / "fits.csv")
    assert (tmp_path / "fits.csv").read_text().startswith("lat,lon,a,k,c,")
    assert fits.to_json_dict()["fits"]["lon"][:2] == [0, 7]


def test_stacked_dimensions(cube: Any) -> None:
    """Of the fits, which are unstacked after; and of the points, whose levels are data."""
    stacked = cube.stack(place=("lat", "lon"))
    fits = descend.fit_many(decay, stacked, dim="time", start=START)
    wanted = descend.fit_many(decay, cube, dim="time", start=START)
    same(fits, wanted)
    unstacked = fits.to_xarray()["k"].unstack("place")
    np.testing.assert_array_equal(unstacked, wanted.to_xarray()["k"])
    assert fits.columns()["place"][1] == "(10.0, 7)"

    def plane(lat, lon, u, v, w):
        return u + v * lat + w * lon

    by_level = descend.fit_many(plane, stacked, dim="place").to_xarray()
    by_dims = descend.fit_many(plane, cube, dim=("lat", "lon")).to_xarray()
    assert by_level["v"].dims == ("time",)
    np.testing.assert_array_equal(by_level["v"], by_dims["v"])
