"""The text of a formula: its tokens, and every refusal with a caret under the exact place.

The tokens are checked completely before Python's own parser sees them, so that each mistake is
answered in the words of whoever wrote the formula, and so that nothing but numbers, names,
operators and calls of listed functions ever gets further than this page.
"""

from __future__ import annotations

import keyword
import re
import unicodedata
from collections.abc import Collection
from typing import NamedTuple, NoReturn

from descend.errors import FormulaError, suggest

__all__ = ["Token", "refuse", "tokenize"]

MAX_LENGTH = 10_000
MAX_DEPTH = 60
_WINDOW = 76

_TOKEN = re.compile(
    r"(?P<space>\s+)"
    r"|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<quoted>`[^`]*`)"
    r"|(?P<op>\*\*|<=|>=|==|!=|[-+*/(),<>=])"
)

_BINARY = {"+", "-", "*", "/", "**", "<", "<=", ">", ">=", "==", "!="}

_NEST = "write where(condition, a, b); nest one where in another for two conditions"
_WORDS = dict.fromkeys(["and", "or", "not", "if", "else"], _NEST) | {
    "lambda": "a formula is one expression; for a parameter, choose another name, such as lam",
    "for": "a formula is one expression without loops; write a Python function instead",
    "in": "a formula knows no membership; compare with < or > inside where(…)",
    "is": "a formula knows no identity; compare with == inside where(…)",
    "None": "leave it out",
    "True": "write 1",
    "False": "write 0",
    "import": "a formula imports nothing; the known functions need no import",
    "e": "write exp(1) for Euler's number, or put a column's name in backticks: `e`",
}
_SYMBOLS = [
    ("//", "// is not known", "write floor(a / b)"),
    (":=", ":= assigns, and a formula has only one target", "write target = expression"),
    ("**=", "a formula is not an assignment statement", "write target = expression"),
    ("^", "^ is not a power", "write ** for a power: x**2"),
    ("%", "% is not known", "write a - b*floor(a / b)"),
    ("@", "@ is not known: a formula works row by row", "write a Python function instead"),
    ("&", "& is not known", _NEST),
    ("||", "|| is not known", f"{_NEST}; for an absolute value write abs(…)"),
    ("~", "a formula has one = between target and expression", "write y = … instead of y ~ …"),
    ("!", "! is not known", "compare with != inside where(…); for x! write exp(gammaln(x + 1))"),
    ("[", "a formula has no subscripts", "use one name a column or parameter: w1, w2"),
    ("]", "a formula has no subscripts", "use one name a column or parameter: w1, w2"),
    ("{", "braces are not known", "use round brackets"),
    ("}", "braces are not known", "use round brackets"),
    ('"', "a formula holds no text", "put a column's name in backticks: `my column`"),
    ("'", "a formula holds no text", "put a column's name in backticks: `my column`"),
    ("`", "this backtick is never closed", "put one backtick before and one after the name"),
    (":", "a colon has no meaning in a formula", "write where(condition, a, b) for a choice"),
    (";", "a formula is one expression", "put , between arguments, nothing behind a formula"),
    ("#", "a formula holds no comment", "remove it"),
    ("\u2212", "this is a typographic minus", "write -"),
    ("\u2013", "this is a dash", "write -"),
    ("\u00d7", "this is a multiplication sign", "write *"),
    ("\u00b7", "this is a centred dot", "write *"),
    ("\u22c5", "this is a centred dot", "write *"),
    ("\u00f7", "this is a division sign", "write /"),
    ("\u221a", "this is a root sign", "write sqrt(…)"),
    ("\u2264", "this is a typographic comparison", "write <="),
    ("\u2265", "this is a typographic comparison", "write >="),
    ("\u2260", "this is a typographic comparison", "write !="),
]


class Token(NamedTuple):
    """A piece of a formula: kind is number, name, quoted or op; start and end count characters."""

    kind: str
    text: str
    start: int
    end: int


def refuse(text: str, start: int, end: int, message: str, remedy: str | None = None) -> NoReturn:
    """Raise a `FormulaError` that shows the formula with carets under `text[start:end]`."""
    low = max(0, min(start - _WINDOW // 2, len(text) - _WINDOW))
    line = text[low : low + _WINDOW]
    head, tail = ("…" if low else ""), ("…" if low + _WINDOW < len(text) else "")
    shown = head + _plain(line) + tail
    indent = len(head) + sum(_width(ch) for ch in text[low:start])
    marked = _plain(text[start : min(end, low + _WINDOW)])
    carets = "^" * max(1, sum(_width(ch) for ch in marked))
    raise FormulaError(f"{message}\n    {shown}\n    {' ' * indent}{carets}", remedy=remedy)


def _plain(line: str) -> str:
    """One character on the screen for each character: control characters become spaces."""
    return "".join(ch if ch.isprintable() else " " for ch in line)


def _width(ch: str) -> int:
    if not ch.isprintable() or ch.isascii():
        return 1
    if unicodedata.combining(ch):
        return 0
    return 2 if unicodedata.east_asian_width(ch) in "WF" else 1


def tokenize(
    text: str, functions: Collection[str], reserved: Collection[str] | None = None
) -> tuple[Token | None, list[Token]]:
    """Cut a formula into its target (or None) and the checked tokens of its right-hand side.

    Raises `FormulaError` for anything that is not an expression of numbers, names, operators and
    calls of `functions`; those that are `reserved` (all, unless some are named) are no names.

    >>> target, tokens = tokenize("y = 2 * sin(x)", {"sin"})
    >>> target.text, [token.text for token in tokens]
    ('y', ['2', '*', 'sin', '(', 'x', ')'])
    """
    if len(text) > MAX_LENGTH:
        refuse(
            text,
            0,
            1,
            f"the formula has {len(text)} characters; at most {MAX_LENGTH} are read",
            "write the model as a Python function",
        )
    tokens = _lex(text)
    target, body = _split_target(text, tokens, functions)
    _check(text, body, functions, functions if reserved is None else reserved)
    return target, body


def _lex(text: str) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        match = None if _forbidden(text, at) else _TOKEN.match(text, at)
        if match is None:
            _refuse_symbol(text, at, tokens)
        kind, piece, end = match.lastgroup or "", match.group(), match.end()
        if kind == "name":
            piece = _name(text, piece, at)
        elif kind == "quoted":
            piece = piece[1:-1]
            if not piece.strip():
                refuse(text, at, end, "there is no name between these backticks")
        if kind != "space":
            tokens.append(Token(kind, piece, at, end))
        at = end
    return tokens


def _forbidden(text: str, at: int) -> bool:
    """Two signs whose beginning is an allowed token."""
    return text.startswith(("//", "**="), at)


def _name(text: str, piece: str, at: int) -> str:
    """The name as Python would spell it, after refusing what cannot be a name."""
    if piece.isascii():
        return piece
    for offset, ch in enumerate(piece):
        if not (piece[0] + ch).isidentifier() or unicodedata.decomposition(ch)[:7] == "<super>":
            refuse(
                text,
                at + offset,
                at + offset + 1,
                f'"{ch}" cannot stand in a name',
                "write ** for a power (x**2), or put a column's name in backticks",
            )
    return unicodedata.normalize("NFKC", piece)


def _refuse_symbol(text: str, at: int, tokens: list[Token]) -> NoReturn:
    if text[at] == "|" and text[at : at + 2] != "||":
        _refuse_bar(text, at, tokens)
    for sign, message, remedy in _SYMBOLS:
        if text.startswith(sign, at):
            refuse(text, at, at + len(sign), message, remedy)
    if text[at] == ".":
        _refuse_dot(text, at, tokens)
    code = f"U+{ord(text[at]):04X}"
    shown = f'"{text[at]}"' if text[at].isprintable() else f"the invisible character {code}"
    refuse(text, at, at + 1, f"{shown} has no meaning in a formula", "remove it")


def _refuse_bar(text: str, at: int, tokens: list[Token]) -> NoReturn:
    """A bar opens an absolute value, unless there is none to close it."""
    inside, close, _ = text[at + 1 :].partition("|")
    if close and inside.strip():
        end = at + len(inside) + 2
        factor = "*" if tokens and (tokens[-1].kind != "op" or tokens[-1].text == ")") else ""
        remedy = f"write {factor}abs({inside.strip()})"
        refuse(text, at, end, "bars are not known for an absolute value", remedy)
    refuse(text, at, at + 1, "| is not known", f"{_NEST}; for an absolute value write abs(…)")


def _refuse_dot(text: str, at: int, tokens: list[Token]) -> NoReturn:
    owner = tokens[-1] if tokens and tokens[-1].end == at else None
    member = re.match(r"\w*", text[at + 1 :])
    name = member.group() if member else ""
    if owner and owner.kind == "name" and owner.text in ("np", "numpy", "math", "special"):
        remedy = f"write {name or 'the function'} alone, without {owner.text}."
        refuse(text, owner.start, at + 1, "a formula's functions have no prefix", remedy)
    refuse(
        text,
        at,
        at + 1 + len(name),
        "a formula cannot reach into a name with a dot",
        "put a column's name that contains a dot in backticks, as in `my.column`",
    )


def _split_target(
    text: str, tokens: list[Token], functions: Collection[str]
) -> tuple[Token | None, list[Token]]:
    """Cut at the first `=` that is not inside brackets; its left must be one name."""
    depth = 0
    index = -1
    for position, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")") if token.kind == "op" else 0
        if token.kind == "op" and token.text == "=" and depth == 0:
            index = position
            break
    if index < 0:
        return None, tokens
    token = tokens[index]
    remedy = "write target = expression, for example y = a*x + b"
    if index == 0:
        refuse(text, token.start, token.end, "there is no target left of =", remedy)
    if index > 1 or tokens[0].kind not in ("name", "quoted"):
        remedy = _solved(text, tokens, index, functions) or remedy
        start, end = tokens[0].start, tokens[index - 1].end
        refuse(text, start, end, "left of = stands one name: the column to be fitted", remedy)
    _check_word(text, tokens[0])
    if index + 1 == len(tokens):
        refuse(text, token.start, token.end, "there is nothing right of =", remedy)
    return tokens[0], tokens[index + 1 :]


# A function of the target → the target as the inverse of the right-hand side.
_INVERSE = dict.fromkeys(("log", "ln"), "exp({})") | {
    "log10": "10**({})", "log2": "2**({})", "log1p": "expm1({})", "exp": "log({})",
    "expm1": "log1p({})", "sqrt": "({})**2", "cbrt": "({})**3", "square": "sqrt({})",
    "reciprocal": "1/({})", "arctan": "tan({})", "arcsin": "sin({})", "tanh": "arctanh({})",
    "sinh": "arcsinh({})", "logit": "expit({})", "expit": "logit({})",
}  # fmt: skip

# An operator between the target and something else → the target, from the right-hand side {0} and
# what stands behind the operator, or before it, {1}.
_BEHIND = {
    "+": "({0}) - {1}", "-": "({0}) + {1}", "*": "({0}) / {1}", "/": "({0}) * {1}",
    "**": "({0})**(1/{1})",
}  # fmt: skip
_BEFORE = {
    "+": "({0}) - {1}", "-": "{1} - ({0})", "*": "({0}) / {1}", "/": "{1}/({0})",
    "**": "log({0})/log({1})",
}  # fmt: skip


def _solved(text: str, tokens: list[Token], index: int, functions: Collection[str]) -> str | None:
    """What to write for an equation whose left side, before the token `index`, is no name."""
    left, right = tokens[:index], tokens[index + 1 :]
    words, after = [token.text for token in left], text[tokens[index].end :].strip()
    whole = text[left[0].start : left[-1].end]
    zero = [side for side, other in ((after, words), (whole, [after])) if other in _ZEROS]
    if zero:
        return (
            f"write zero = {zero[0]} over a table with a column of zeros; on the command line it "
            'is made by --sql "SELECT *, 0.0 AS zero FROM data"'
        )
    if len(left) > 3 and words[1] == "(" and words[0] not in functions and _closes(words, 1):
        return f"write {words[0]} = {after}"
    found = _peeled(text, left, after)
    if len(right) == 1 and right[0].kind in ("name", "quoted"):
        # Of exp(a*t) = v the sides are exchanged; of log(v) = a and v/x = a they are not.
        named = [token.text for token in left if token.kind in ("name", "quoted")]
        own = [name for name in named if name not in functions]
        if found is None or len(own) > (1 if len(own) < len(named) else 2):
            return f"write {after} = {whole}"
    if found is None or found[0].text in [token.text for token in right]:
        return None
    name = text[found[0].start : found[0].end]
    return (
        f"write {name} = {found[1]}, which weighs the rows as {name} does, or add a "
        f"column of {whole} to the table and fit that"
    )


_ZEROS = (["0"], ["0.0"], ["0."])


def _peeled(text: str, left: list[Token], right: str) -> tuple[Token, str] | None:
    """The name that functions and operators stand around on the left side, and what it equals."""
    words = [token.text for token in left]
    if len(left) == 1:
        return (left[0], right) if left[0].kind in ("name", "quoted") else None
    if words[0] == "(" and _closes(words, 0):
        return _peeled(text, left[1:-1], right)
    if words[0] in _INVERSE and len(left) > 3 and _closes(words, 1):
        return _peeled(text, left[2:-1], _INVERSE[words[0]].format(right))
    depth, splits = 0, []
    for at, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if depth == 0 and at and word in _BEHIND and left[at].kind == "op":
            splits.append(at)
    if words[0] == "-" and not splits:
        return _peeled(text, left[1:], f"-({right})")
    if len(splits) != 1 or words[0] == "-":
        return None
    before, sign, behind = left[: splits[0]], words[splits[0]], left[splits[0] + 1 :]
    if len(behind) == 1 and before[0].kind != "number":
        form = "sqrt({0})" if (sign, behind[0].text) == ("**", "2") else _BEHIND[sign]
        other = text[behind[0].start : behind[0].end]
        return _peeled(text, before, form.format(right, other))
    if len(before) == 1 and before[0].kind == "number":
        return _peeled(text, behind, _BEFORE[sign].format(right, before[0].text))
    return None


def _closes(words: list[str], at: int) -> bool:
    """Whether the bracket that opens at a place is closed by the last word."""
    depth = 0
    for place, word in enumerate(words[at:], start=at):
        depth += (word == "(") - (word == ")")
        if depth == 0:
            return word == ")" and place == len(words) - 1
    return False


def _check_word(text: str, token: Token) -> None:
    if token.kind != "name":
        return
    remedy = _WORDS.get(token.text)
    if remedy is None and keyword.iskeyword(token.text):
        remedy = "choose another name, or put a column's name in backticks"
    if remedy:
        refuse(
            text, token.start, token.end, f'"{token.text}" cannot stand in a formula here', remedy
        )


def _check(
    text: str, tokens: list[Token], functions: Collection[str], reserved: Collection[str]
) -> None:
    """Refuse whatever is not an expression: operands and operators alternate, brackets match."""
    if not tokens:
        raise FormulaError(
            "the formula is empty", remedy="write target = expression, e.g. y = a*x + b"
        )
    opened: list[tuple[Token, bool]] = []
    operand_next = True
    for index, token in enumerate(tokens):
        _check_word(text, token)
        before = tokens[index - 1] if index else None
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        called = after is not None and after.text == "(" and after.kind == "op"
        if not operand_next:
            operand_next = _after_operand(text, tokens, index, opened)
        elif token.kind != "op":
            if token.kind == "name":
                _check_function(text, token, called, functions if called else reserved)
            operand_next = token.kind == "name" and called
        elif token.text == "(":
            opened.append((token, before is not None and before.kind == "name"))
            if len(opened) > MAX_DEPTH:
                message = f"more than {MAX_DEPTH} brackets stand inside each other"
                refuse(text, token.start, token.end, message, "write a Python function instead")
        elif token.text not in "+-":
            _missing_operand(text, token, before)
    if operand_next:
        last = tokens[-1]
        refuse(text, last.start, last.end, f'something is missing after "{last.text}"')
    if opened:
        bracket = opened[-1][0]
        refuse(text, bracket.start, bracket.end, "this bracket is never closed", "add a )")


def _missing_operand(text: str, token: Token, before: Token | None) -> NoReturn:
    if before is not None and before.text == "(" and token.text == ")":
        refuse(text, before.start, token.end, "there is nothing between these brackets")
    if before is not None and before.text + token.text in ("===", "!==", "=<", "=>", "<>"):
        known = "==, !=, <=, >=, < and >"
        refuse(text, before.start, token.end, f"the comparisons are {known}")
    if token.text == "*" and before is not None and before.text == "**":
        refuse(text, before.start, token.end, "*** is not known", "write ** for a power")
    refuse(text, token.start, token.end, f'something is missing before "{token.text}"')


def _after_operand(
    text: str, tokens: list[Token], index: int, opened: list[tuple[Token, bool]]
) -> bool:
    """Check a token that follows an operand; return whether an operand must come next."""
    token, before = tokens[index], tokens[index - 1]
    if token.kind == "op" and token.text in _BINARY:
        return True
    if token.kind == "op" and token.text == ")":
        if not opened:
            refuse(text, token.start, token.end, "this bracket was never opened", "remove it")
        opened.pop()
        return False
    if token.kind == "op" and token.text == ",":
        if opened and opened[-1][1]:
            return True
        remedy = "a decimal point is written . ; commas stand between a function's arguments only"
        refuse(text, token.start, token.end, "this comma stands outside of a function", remedy)
    if token.kind == "op" and token.text == "=":
        if opened and opened[-1][1]:
            remedy = "give the argument alone, by its position"
            refuse(text, before.start, token.end, "a formula's functions take no keywords", remedy)
        remedy = "compare with ==, inside where(…) only"
        refuse(text, token.start, token.end, "a formula has one =, after its target", remedy)
    left, right = text[before.start : before.end], text[token.start : token.end]
    remedy = f"write a product with *: {left}*{right}"
    if token.text == "(":
        remedy = f"write a product with *: {left}*(…)"
    refuse(text, before.start, token.end, "an operator is missing here", remedy)


def _check_function(text: str, token: Token, called: bool, functions: Collection[str]) -> None:
    name = token.text
    if called and name not in functions:
        if name in ("sum", "mean", "std", "var", "median", "cumsum", "prod"):
            remedy = "a formula works row by row; write the model as a Python function"
        elif name.lower() == "pi":
            remedy = "write pi alone"
        elif name.lower() == "if":
            remedy = "write where(condition, a, b)"
        elif name == "LOG":
            remedy = "write log10(…) for what spreadsheets call LOG, log(…) for the natural one"
        elif name.lower() in functions:
            remedy = f"functions are written in small letters: {name.lower()}(…)"
        elif hint := suggest(name, functions):
            remedy = f"write another name{hint}"
        else:
            remedy = f"write a product with *: {name}*(…)"
        refuse(text, token.start, token.end, f'there is no function "{name}"', remedy)
    if not called and name in functions:
        remedy = f"write {name}(…), or put a column's name in backticks: `{name}`"
        refuse(text, token.start, token.end, f"{name} is a function and needs brackets", remedy)
