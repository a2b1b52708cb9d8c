"""Formulas: what they mean, and how each mistake is answered."""

import math
import pickle

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st

from descend import fit
from descend.errors import DescendWarning, FormulaError, UsageError
from descend.trace.formula import Formula, one_edit_apart
from descend.trace.formula_functions import FUNCTIONS, RESERVED
from descend.trace.table import entry_of

X = np.array([0.25, 0.5, 0.75])

MEANINGS = {
    "w*x**2 + 1": lambda x: 0.5 * x**2 + 1,
    "-x**2": lambda x: -(x**2),
    "2**-x": lambda x: 2.0**-x,
    "x**3**0.5": lambda x: x ** (3**0.5),
    "(x - 1)/x - 3 - 2": lambda x: (x - 1) / x - 3 - 2,
    "exp(ln(x))*pi": lambda x: x * math.pi,
    "where(x > 0.4, x, -x)": lambda x: np.where(x > 0.4, x, -x),
    "where(x != 0.5, 1, 0)": lambda x: np.array([1.0, 0.0, 1.0]),
    "min(x, 0.5, 0.3)": lambda x: np.minimum(x, 0.3),
    "max(x, 0.5)": lambda x: np.maximum(x, 0.5),
    "clip(x, 0.3, 0.6)": lambda x: np.clip(x, 0.3, 0.6),
    "atan2(x, 2) + hypot(x, 1)": lambda x: np.arctan2(x, 2) + np.hypot(x, 1),
    "erf(x) + erfc(x) + expit(x)": lambda x: 1 + 1 / (1 + np.exp(-x)),
    "logit(x)": lambda x: np.log(x / (1 - x)),
    "gammaln(x + 3)": lambda x: np.log([math.gamma(v + 3) for v in x]),
    "xlogy(x, x)": lambda x: x * np.log(x),
    "digamma(x)": lambda x: scipy.special.psi(x),
    "abs(-x) + sqrt(x)": lambda x: x + np.sqrt(x),
    "`my column` * 2": lambda x: 2 * np.ones(3),
    "1.5e-3 + .5 + 2.": lambda x: np.full(3, 2.5015),
}


@pytest.mark.parametrize("text", MEANINGS)
def test_meaning(text: str) -> None:
    values = {"x": X, "w": 0.5, "my column": np.ones(3)}
    result = Formula.parse("y = " + text).evaluate(values)
    np.testing.assert_allclose(np.broadcast_to(result, 3), MEANINGS[text](X), rtol=1e-14)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_is_there(name: str) -> None:
    function = FUNCTIONS[name]
    arguments = ["x"] * function.least
    if function.name == "where":
        arguments[0] = "x > 0.4"
    result = Formula.parse(f"{name}({', '.join(arguments)})").evaluate({"x": X})
    assert np.shape(result) == (3,)


def test_functions_that_are_names_without_a_bracket() -> None:
    formula = Formula.parse("y = y0 + gamma*j0(k1*x) + gamma(beta + 2)")
    assert formula.names == ("y0", "gamma", "k1", "x", "beta")
    values = {"y0": 1.0, "gamma": 2.0, "k1": 0.5, "beta": 1.0, "x": X}
    expected = 1.0 + 2.0 * scipy.special.j0(0.5 * X) + 2.0
    np.testing.assert_allclose(formula.evaluate(values), expected, rtol=1e-14)


def test_names_and_target() -> None:
    formula = Formula.parse("y = w1*x**2 + w2*x + w3 + pi")
    assert formula.target == "y"
    assert formula.names == ("w1", "x", "w2", "w3")
    assert formula.text == str(formula) == "y = w1*x**2 + w2*x + w3 + pi"
    assert Formula.parse("3*x1**2").target is None


def test_power_of_numbers_follows_numpy() -> None:
    formula = Formula.parse("a**(1/3) + 1/b")
    assert math.isnan(formula(a=-8.0, b=1.0))
    assert formula(a=8.0, b=0.0) == math.inf


def test_constants_are_not_strongly_typed() -> None:
    result = Formula.parse("exp(1)*x + sqrt(2)")(x=np.ones(2, np.float32))
    assert result.dtype == np.float32


def test_missing_value_is_named() -> None:
    with pytest.raises(UsageError, match=r"needs a value for slope \(did you mean \"slop\"\?\)"):
        Formula.parse("slope*2")(slop=1.0)


def test_operations_are_seen_in_order_with_their_text() -> None:
    seen = []
    formula = Formula.parse("y = a * exp( -k*x ) + `my c`")
    formula.evaluate({"a": 2.0, "k": 0.0, "x": X, "my c": 1.0}, lambda *pair: seen.append(pair))
    pieces = ["-k", "-k*x", "exp( -k*x )", "a * exp( -k*x )", "a * exp( -k*x ) + `my c`"]
    assert [piece for piece, _ in seen] == pieces
    np.testing.assert_array_equal(seen[-1][1], [3.0, 3.0, 3.0])


def test_an_operations_error_names_its_piece() -> None:
    class Refusing:
        def __mul__(self, other: object) -> object:
            raise UsageError("no products")

    with pytest.raises(UsageError, match=r'at: "a\*x" in "y = 1 \+ a\*x"'):
        Formula.parse("y = 1 + a*x").evaluate({"a": Refusing(), "x": 1.0})


def test_pickles_as_its_text() -> None:
    formula = Formula.parse("y = a*exp(-k*x)")
    assert pickle.loads(pickle.dumps(formula)) == formula


def place(text: str, mark: str) -> str:
    """The refused piece: what the carets stand under."""
    with pytest.raises(FormulaError) as caught:
        Formula.parse(text)
    lines = caught.value.message.split("\n")
    assert lines[1][4:] == text
    assert set(lines[2]) == {" ", "^"}
    assert mark in str(caught.value)
    begin = lines[2].index("^")
    return lines[1][begin : len(lines[2])]


REFUSED = [
    ("y = x^2", "^", "write ** for a power: x**2"),
    ("y = 2x", "2x", "write a product with *: 2*x"),
    ("y = 2 x + 1", "2 x", "write a product with *: 2*x"),
    ("y = a b", "a b", "write a product with *: a*b"),
    ("y = 2(x + 1)", "2(", "write a product with *: 2*(…)"),
    ("y = a(x + 1)", "a", "write a product with *: a*(…)"),
    ("y = e**x", "e", "write exp(1) for Euler's number"),
    ("y = sinn(x)", "sinn", 'did you mean "sin"?'),
    ("y = sin", "sin", "sin is a function and needs brackets"),
    ("y = sum(x)", "sum", "a formula works row by row"),
    ("y = np.exp(x)", "np.", "write exp alone, without np."),
    ("y = x.real", ".real", "cannot reach into a name"),
    ("y = x.__class__", ".__class__", "cannot reach into a name"),
    ("y = x[0]", "[", "has no subscripts"),
    ("y = lambda*x", "lambda", "choose another name, such as lam"),
    ("y = (x for x in z)", "for", "without loops"),
    ("y = 'a'", "'", "in backticks"),
    ("(y := 3)", ":=", "a formula has only one target"),
    ("y = __import__(os)", "__import__", 'there is no function "__import__"'),
    ("y = eval(x)", "eval", 'there is no function "eval"'),
    ("y = log(x, base=2)", "base=", "take no keywords"),
    ("y = a and b", "and", "write where(condition, a, b)"),
    ("y = a or b", "or", "write where(condition, a, b)"),
    ("y = not a", "not", "write where(condition, a, b)"),
    ("y = a if x else b", "if", "write where(condition, a, b)"),
    ("y = True", "True", "write 1"),
    ("y = class", "class", "choose another name"),
    ("y = 9**9**9**9", "9**9", "is beyond 1000"),
    ("y = x**99999", "99999", "is beyond 1000"),
    ("y = 900**900", "900**900", "900**900 is not a finite number"),
    ("y = a + 1/0", "1/0", "1/0 is not a finite number"),
    ("y = 1e999", "1e999", "beyond double precision"),
    ("y = where(0 < x < 1, 1, 2)", "0 < x < 1", "comparisons cannot be chained"),
    ("y = where(x, 1, 2)", "x", "where needs a condition first"),
    ("y = where(x > 1, 2)", "where(x > 1, 2)", "where takes 3 arguments, here it has 2"),
    ("y = exp(1, x)", "exp(1, x)", "exp takes one argument, here it has 2"),
    ("y == a*x", "y == a*x", "only as the first argument of where"),
    ("y = a*(b", "(", "this bracket is never closed"),
    ("y = a)", ")", "this bracket was never opened"),
    ("y = 1,5*x", ",", "a decimal point is written ."),
    ("y = sin()", "()", "nothing between these brackets"),
    ("y = x +", "+", 'something is missing after "+"'),
    ("y = * x", "*", 'something is missing before "*"'),
    ("y =", "=", "nothing right of ="),
    ("= x", "=", "no target left of ="),
    ("log(y) = a*x", "log(y)", "left of = stands one name"),
    ("y = a = b", "=", "a formula has one ="),
    ("y = `a*x", "`", "this backtick is never closed"),
    ("y = a*``", "``", "no name between these backticks"),
    ("y = x²", "²", "write ** for a power"),
    ("y = x − 1", "−", "this is a typographic minus"),
    ("y = x // 2", "//", "write floor(a / b)"),
    ("y = x @ z", "@", "row by row"),
    ("y ~ x", "~", "write y = … instead of y ~ …"),
    ("y = x; z", ";", "one expression"),
    ("y = 1_000*x", "1_000", "an operator is missing here"),
    ("y = 0x10", "0x10", "an operator is missing here"),
    ("y = `my col`*x^2", "^", "write ** for a power"),
    ("y = θ*x + µ^2", "^", "write ** for a power"),
    ("y = a*EXP(-k*x)", "EXP", "functions are written in small letters: exp(…)"),
    ("y = a*Sqrt(x)", "Sqrt", "functions are written in small letters: sqrt(…)"),
    ("y = a*LOG(x)", "LOG", "write log10(…) for what spreadsheets call LOG, log(…) for"),
    ("y = a*PI()*x", "PI", "write pi alone"),
    ("y = POWER(x;2)", ";", "put , between arguments"),
    ("y = a*|x| + b", "|x|", "write abs(x)"),
    ("y = a*|x - c|", "|x - c|", "write abs(x - c)"),
    ("y = a | b", "|", "for an absolute value write abs(…)"),
    ("y = a || b", "||", "write where(condition, a, b)"),
    ("log(y) = a - k*x", "log(y)", "write y = exp(a - k*x), which weighs the rows as y does"),
    ("ln(`a b`) = c*x", "ln(`a b`)", "write `a b` = exp(c*x)"),
    ("log10(y) = a*x", "log10(y)", "write y = 10**(a*x)"),
    ("sqrt(y) = a*x", "sqrt(y)", "write y = (a*x)**2"),
    ("1/y = a + b*x", "1/y", "write y = 1/(a + b*x)"),
    ("y**2 = a*x", "y**2", "write y = sqrt(a*x)"),
    ("y/x = a", "y/x", "write y = (a) * x"),
    ("y - c = a*x", "y - c", "write y = (a*x) + c"),
    ("-y = a*x", "-y", "write y = -(a*x)"),
    ("0 = x**2 + y**2 - r**2", "0", "write zero = x**2 + y**2 - r**2 over a table with a column"),
    ("3 = a*x", "3", "write target = expression"),
    ("a*exp(-k*x) = y", "a*exp(-k*x)", "write y = a*exp(-k*x)"),
    ("exp(a*x) = `a b`", "exp(a*x)", "write `a b` = exp(a*x)"),
    ("y - a*x = 0", "y - a*x", "write zero = y - a*x over a table with a column of zeros"),
    ("y(x) = a*x", "y(x)", "write y = a*x"),
    ("log(y) = a*log(y)", "log(y)", "write target = expression"),
    ("y = a|x|", "|x|", "write *abs(x)"),
    ("y = ||x| - a|", "||", "for an absolute value write abs(…)"),
    ("y = IF(x > 0, a, b)", "IF", "write where(condition, a, b)"),
]

LEFT = {
    "log(y) = x": np.exp, "ln(y) = x": np.exp, "log10(y) = x": lambda x: 10**x,
    "log2(y) = x": np.exp2, "log1p(y) = x": np.expm1, "exp(y) = x": np.log,
    "expm1(y) = x": np.log1p, "sqrt(y) = x": np.square, "cbrt(y) = x": lambda x: x**3,
    "square(y) = x": np.sqrt, "reciprocal(y) = x": np.reciprocal, "arctan(y) = x": np.tan,
    "arcsin(y) = x": np.sin, "tanh(y) = x": np.arctanh, "sinh(y) = x": np.arcsinh,
    "logit(y) = x": lambda x: 1 / (1 + np.exp(-x)), "expit(y) = x": lambda x: np.log(x / (1 - x)),
    "1/y = x": np.reciprocal, "y**2 = x": np.sqrt, "y/3 = x": lambda x: 3 * x,
    "y*3 = x": lambda x: x / 3, "y - 3 = x": lambda x: x + 3, "y + 3 = x": lambda x: x - 3,
    "-y = x": np.negative, "2*y = x": lambda x: x / 2, "3 - y = x": lambda x: 3 - x,
    "2/y = x": lambda x: 2 / x, "2**y = x": np.log2, "y**3 = x": np.cbrt,
    "log(y + 1) = x": np.expm1, "sqrt(y)/2 = x": lambda x: (2 * x) ** 2,
    "1/(y - 2) = x": lambda x: 2 + 1 / x, "-log(y) = x": lambda x: np.exp(-x),
    "exp(-y) = x": lambda x: -np.log(x), "(log10(2*y)) = x": lambda x: 10**x / 2,
}  # fmt: skip


@pytest.mark.parametrize("text", LEFT)
def test_what_is_to_be_written_instead_of_a_function_of_the_target(text: str) -> None:
    with pytest.raises(FormulaError) as caught:
        Formula.parse(text)
    remedy = str(caught.value.remedy).removeprefix("write ").partition(", which weighs")[0]
    formula = Formula.parse(remedy)
    assert formula.target == "y"
    assert float(formula(x=0.3)) == pytest.approx(float(LEFT[text](np.float64(0.3))), rel=1e-15)


@pytest.mark.parametrize(("text", "piece", "words"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refusals_point_at_the_place(text: str, piece: str, words: str) -> None:
    assert place(text, words) == piece


def test_wide_letters_shift_the_caret_by_their_width() -> None:
    with pytest.raises(FormulaError) as caught:
        Formula.parse("y = `日本`^2")
    assert caught.value.message.split("\n")[2] == " " * (4 + 4 + 1 + 4 + 1) + "^"


def test_a_long_formula_is_shown_in_part() -> None:
    with pytest.raises(FormulaError) as caught:
        Formula.parse("y = " + "x + " * 200 + "x^2" + " + x" * 200)
    _, line, carets = caught.value.message.split("\n")
    assert len(line) < 100
    assert line[carets.index("^")] == "^"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "(" * 5000 + "x" + ")" * 5000,
        "-" * 9000 + "x",
        "x**" * 3000 + "x",
        "exp(" * 2000 + "x" + ")" * 2000,
        "x" * 20_000,
        "y\x00 = x",
        "y = \u202ex",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_monsters_are_refused(text: str) -> None:
    with pytest.raises(FormulaError):
        Formula.parse(text)


def test_a_sum_of_thousands_of_terms_is_refused_or_right() -> None:
    """Python's own parser gives up on it up to 3.12, and reads it from 3.13 on."""
    try:
        formula = Formula.parse("x+" * 4900 + "x")
    except FormulaError:
        return
    assert formula(x=2.0) == 9802.0


def test_a_sum_of_hundreds_of_terms_is_read() -> None:
    formula = Formula.parse("y = " + " + ".join(f"a{i}*x**{i}" for i in range(400)))
    assert formula(x=1.0, **{f"a{i}": 1.0 for i in range(400)}) == 400.0


VOCABULARY = (
    "x y w1 e pi sin where exp max 2 3.5 1e9 9 ( ) ( ) , + - * / ** ** < == = ^ . ` [ lambda if _ "
    "__import__ and 'a' : ; ~ @ % // ² − µ ﬁ"
)
PIECES = st.sampled_from(VOCABULARY.split(" "))


@pytest.mark.fuzz
@given(st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=60).map(" ".join)))
@settings(deadline=1000)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        formula = Formula.parse(text)
    except FormulaError as error:
        assert "^" in error.message or error.message == "the formula is empty"
    else:
        assert set(formula.names).isdisjoint(RESERVED)
        formula.evaluate(dict.fromkeys(formula.names, X))


def expressions() -> st.SearchStrategy[str]:
    leaves = st.sampled_from(["x", "a", "2", "0.5", "(-x)"])

    def extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        two = st.tuples(inner, st.sampled_from("+-*/"), inner).map(" ".join)
        called = st.tuples(st.sampled_from(["sin", "exp", "abs"]), inner).map(
            lambda pair: f"{pair[0]}({pair[1]})"
        )
        return st.one_of(two, two.map(lambda text: f"({text})"), called, inner.map("-{}".format))

    return st.recursive(leaves, extend, max_leaves=12)


@pytest.mark.fuzz
@given(expressions())
def test_precedence_is_pythons(text: str) -> None:
    names = {"x": X, "a": np.array([1.5]), "sin": np.sin, "exp": np.exp, "abs": np.abs}
    try:
        with np.errstate(all="ignore"):
            expected = eval(compile(text, "expected", "eval"), {"__builtins__": {}}, names)
    except ZeroDivisionError:  # between plain numbers
        with pytest.raises(FormulaError, match="is not a finite number"):
            Formula.parse(text)
        return
    if np.isfinite(expected).all():
        result = Formula.parse(text).evaluate({"x": X, "a": np.array([1.5])})
        np.testing.assert_allclose(result, expected, rtol=1e-14)


def test_binding_line() -> None:
    binding = Formula.parse("y = w1*x**2 + w2*x + w3").bind(["x", "y", "other"])
    assert str(binding) == "target y; data x; parameters w1, w2, w3"
    assert str(Formula.parse("3*x1**2").bind([])) == "parameters x1"
    quoted = Formula.parse("`the y` = k*`the x`").bind(["the x", "the y"])
    assert (quoted.target, quoted.data, quoted.parameters) == ("the y", ("the x",), ("k",))


@pytest.mark.parametrize(
    ("text", "columns", "options", "words"),
    [
        ("z = a*x", ["x", "y"], {}, 'the target "z" is no column'),
        ("a*x", ["x", "y"], {}, "does not say which column"),
        ("y = a*y", ["x", "y"], {}, "also stands right of ="),
        ("y = a*X", ["x", "y"], {}, 'differs only by case from the column "x"'),
        ("y = a*pressur", ["pressure", "y"], {}, 'by one letter from the column "pressure"'),
        ("y = a*presure", ["pressure", "y"], {}, "write pressure; if"),
        ("y = a*rpessure", ["pressure", "y"], {}, "by one letter"),
        ("y = a*`no such`", ["no such column", "y"], {}, 'there is no column "no such"'),
        ("y = a*x", ["x", "y"], {"start": {"x": 1.0}}, "which is a column of the table"),
        ("y = a*x", ["x", "y"], {"start": {"b": 1.0}}, 'which does not occur in "y = a*x"'),
        ("y = a*z + b", ["x", "t", "y"], {}, "the columns are x, t; to fit a, z, b as parameters"),
        ("y = a*z", ["x", "y"], {"start": {"a": 1.0}}, "uses no column of the table besides"),
        ("y = a", ["y"], {}, "the table has no other column"),
        ("y = slope*x", ["x", "y"], {"params": ["slop"]}, 'did you mean "slope"?'),
    ],
)
def test_bind_refuses(text: str, columns: list[str], options: dict, words: str) -> None:
    with pytest.raises(FormulaError) as caught:
        Formula.parse(text).bind(columns, **options)
    assert words in str(caught.value)


def test_start_and_params_confirm_a_near_name() -> None:
    formula = Formula.parse("y = temp2*temp1")
    with pytest.raises(FormulaError, match="only by one letter"):
        formula.bind(["temp1", "y"])
    assert formula.bind(["temp1", "y"], start={"temp2": 1.0}).parameters == ("temp2",)
    assert formula.bind(["temp1", "y"], params=["temp2"]).parameters == ("temp2",)
    assert Formula.parse("y = w2*w1").bind(["w1", "y"]).parameters == ("w2",)


def test_a_constant_is_fitted_where_every_name_is_given() -> None:
    formula = Formula.parse("y = a*z")
    assert formula.bind(["x", "y"], start={"a": 1.0, "z": 1.0}).parameters == ("a", "z")
    assert formula.bind(["x", "y"], params=["a"], start={"z": 1.0}).data == ()
    with pytest.warns(DescendWarning, match="uses no column besides its target"):
        found = fit("y = c", {"x": [0, 1, 2], "y": [1, 3, 8]}, start={"c": 1})
    assert found.params["c"] == pytest.approx(4.0, rel=1e-14)
    assert "3 rows; target y, data none" in found.report()


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_one_edit_against_all_edits(a: str, b: str) -> None:
    edits = {a[:i] + a[i + 1 :] for i in range(len(a))}
    edits |= {a[:i] + c + a[i:] for i in range(len(a) + 1) for c in "abc"}
    edits |= {a[:i] + c + a[i + 1 :] for i in range(len(a)) for c in "abc"}
    edits |= {a[:i] + a[i : i + 2][::-1] + a[i + 2 :] for i in range(len(a) - 1)}
    assert one_edit_apart(a, b) == (b in edits - {a})


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_function_of_formulas_is_one_of_models(name: str) -> None:
    function = FUNCTIONS[name]
    module = "scipy.special" if function.special else "numpy"
    entry = entry_of(f"{module}.{function.name}")
    assert entry is not None and entry.status == "supported"
    values = [0.3, 0.6, 0.8][: function.least] if name not in ("acosh", "arccosh") else [1.5]
    arguments = ", ".join(map(str, values))
    if name == "where":
        arguments, values = "0.3 > 0.1, 0.6, 0.8", [True, 0.6, 0.8]
    got = Formula.parse(f"{name}({arguments})").evaluate({})
    np.testing.assert_array_equal(got, function.resolve()(*values))
