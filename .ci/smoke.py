"""A short run through the installed package; what is asserted is known from elsewhere.

Run by `.ci/smoke` in a folder that holds `examples/`, with the Python of a fresh environment.
"""

import json
import subprocess
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np

warnings.filterwarnings("error", module=r"descend(\.|$)")

import descend  # noqa: E402
from descend import networks as nn  # noqa: E402

BIN = Path(sys.executable).parent


def shifted(x, powers):
    return sum(x**power for power in powers)


def bowl(x):
    """Closures, helpers, comprehensions and loops: what a traced copy of a function must keep."""
    weights = [3.0, 4.0, 5.0]
    total = 0.0
    for weight, part in zip(weights, [x[i] for i in range(3)], strict=True):
        total = total + weight * shifted(part, (2,))
    return total


def derivatives() -> None:
    assert descend.grad(bowl)(np.ones(3)).tolist() == [6, 8, 10]
    assert descend.hessian(bowl)(np.ones(3)).tolist() == np.diag([6.0, 8.0, 10.0]).tolist()
    assert "64" in str(descend.explain(bowl, np.array([1.0, 2.0, 3.0])))


def an_error_names_the_line() -> None:
    def branching(x):
        return x if x > 0 else -x

    try:
        descend.grad(branching)(1.0)
    except descend.TraceError as error:
        assert "return x if x > 0 else -x" in str(error), error
    else:
        raise AssertionError("a branch on a traced value passed")


def line() -> None:
    """A line by Levenberg–Marquardt: parameters and errors are those of the normal equations."""
    rng = np.random.default_rng(0)
    x = np.linspace(0, 5, 40)
    y = 2 * x + 1 + 0.1 * rng.normal(size=40)
    fit = descend.fit("y = a*x + b", {"x": x, "y": y}, start=dict(a=1, b=0))
    design = np.stack([x, np.ones(40)], axis=1)
    known, squares = np.linalg.lstsq(design, y)[:2]
    errors = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * squares[0] / 38)
    assert fit.verdict == "minimum"
    np.testing.assert_allclose([fit.params["a"], fit.params["b"]], known, rtol=1e-9)
    np.testing.assert_allclose([fit.stderr["a"], fit.stderr["b"]], errors, rtol=1e-7)
    fit.save("line.descend")
    np.testing.assert_array_equal(descend.load("line.descend").predict(x), fit.predict(x))


def network() -> None:
    """A network learns, and predicts what its layers are in plain NumPy."""
    x = np.random.default_rng(1).normal(size=(256, 2))
    y = np.where(x[:, 0] * x[:, 1] > 0, "same", "other")
    fit = descend.fit(nn.mlp([16], activation="tanh"), x, y, lr=0.02, batch_size=32, epochs=100)
    second = fit.predict_proba(x)[:, 1]
    assert np.mean(np.asarray(fit.classes)[(second > 0.5).astype(int)] == y) > 0.95
    p = fit.params
    hidden = np.tanh((x - x.mean(0)) / x.std(0) @ p["0.weight"].T + p["0.bias"])
    log_odds = (hidden @ p["2.weight"].T + p["2.bias"])[:, 0]
    np.testing.assert_allclose(second, 1 / (1 + np.exp(-log_odds)), atol=1e-4)


def command_line() -> None:
    words = [
        BIN / "descend", "fit", "examples/parabola.csv", "y = w1*x**2 + w2*x + w3",
        "--start", "w1=1,w2=0,w3=1", "--optimizer", "sgd", "--lr", "0.001", "--batch-size", "1",
        "--no-shuffle", "--epochs", "1000", "--stop-loss", "1e-5", "--json",
    ]  # fmt: skip
    told = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    found = [f"{told['params'][name]:.9f}" for name in ("w1", "w2", "w3")]
    assert found == ["4.334302857", "4.653193452", "6.061894967"], found


def demonstration() -> None:
    """The lesson's training and a certified fit, with reports and pictures; it checks itself."""
    subprocess.run([sys.executable, "examples/demo.py"], check=True, stdout=subprocess.DEVNULL)
    assert Path("demo-output/parabola.png").read_bytes().startswith(b"\x89PNG")


def main() -> None:
    assert version("descend") == descend.__version__
    for part in (derivatives, an_error_names_the_line, line, network, command_line, demonstration):
        part()
        print(f"  {part.__name__.replace('_', ' ')}: right", flush=True)


if __name__ == "__main__":
    main()
