"""Functions of SciPy's libraries in compiled programs: by pointers that come with each call."""

import subprocess
import sys

import numpy as np
import pytest
from scipy import special

import descend
from descend.compile import library
from descend.compile.function import compile_graph
from descend.compile.function_text import write_function
from descend.compile.library import address_of, special_name
from descend.errors import InternalError
from descend.graph.elementwise import call
from descend.graph.linear_algebra import solve
from descend.graph.source import input_node

X, Y = input_node("x", (64,)), input_node("y", (64,))
VALUES = [np.linspace(-3.0, 3.0, 64), np.linspace(0.1, 2.0, 64)]


def test_no_address_stands_in_the_text() -> None:
    a, b = input_node("a", (6, 6)), input_node("b", (6, 1))
    text, about = write_function([call("gamma", Y), solve(a, b)], [X, Y, a, b])
    names = {slot[1:] for slot in about["slots"] if slot[0] == "library"}
    gamma = ("special", special_name("gamma", 1))
    assert names == {gamma, ("lapack", "dgetrf"), ("lapack", "dgetrs")}
    assert not any(str(address_of(*name)) in text for name in names)


def test_both_parts_of_wofz_are_one_call() -> None:
    parts = [call("wofz_real", X, Y), call("wofz_imag", X, Y)]
    counts = [
        write_function(outputs, [X, Y])[0].count("call { double, double }")
        for outputs in (parts[:1], parts)
    ]
    assert counts[0] == counts[1] > 0
    got = compile_graph(parts, [X, Y])(VALUES)
    want = special.wofz(VALUES[0] + 1j * VALUES[1])
    np.testing.assert_array_equal(got, [want.real, want.imag])


def test_a_function_that_scipy_does_not_export_is_interpreted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("descend.compile.elementary.library.special_name", lambda *_: None)
    y = 2 * special.j0(VALUES[1])
    fit = descend.fit(lambda x, a: a * special.j0(x), VALUES[1], y, start={"a": 1.0})
    assert fit.params["a"] == pytest.approx(2.0, rel=1e-9)
    assert "interpreted: there is no native code for jv" in str(fit)
    with pytest.raises(InternalError, match="exports no nothing"):
        address_of("special", "nothing")
    assert library.special_name("erf", 5) is None


def test_scipy_is_imported_by_those_who_use_it() -> None:
    code = """if True:
        import sys
        import descend
        data = {"x": [0.0, 1.0, 2.0], "y": [1.0, 3.0, 5.5]}
        descend.fit("y = a*exp(b*x)", data, start={"a": 1.0, "b": 0.1})
        libraries = "scipy.special.cython_special", "scipy.linalg.cython_lapack"
        assert not any(name in sys.modules for name in libraries)
        descend.fit("y = a*gamma(b + x)", data, start={"a": 1.0, "b": 1.0})
        assert libraries[0] in sys.modules and libraries[1] not in sys.modules
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
