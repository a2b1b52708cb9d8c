"""Every refusal of a trace is remembered, named by the user's own line, and raised at its end.

`try … except ValueError` in a model would catch a refusal like any other error, and the branch of
its handler would be compiled for every value. And where a library's function refuses in the midst
of its own lines, the user is told of the call that he wrote.
"""

from __future__ import annotations

import ast
import dis
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType, FunctionType, ModuleType, TracebackType
from typing import Any, NoReturn

from descend.errors import WITNESS, DescendError, TraceError
from descend.graph.node import RowsAsked
from descend.trace.context import (
    ENTRIES,
    LIBRARY,
    TRACED,
    USERS,
    line_of,
    owner_of,
    segment_of,
)
from descend.trace.handlers import NEVER, takes
from descend.trace.tensor import is_traced

__all__ = ["listen", "nothing_swallowed"]

SWALLOWED = (
    "  note: a handler in the model caught this error and the model went on: leave out the try, "
    "or name only errors that do not come from values"
)
BLACK_BOX = (
    "put what it computes into a function of arrays, def inner(k): …, and write "
    "descend.black_box(inner)(k) in the model (shape=… where the result is not shaped like k): "
    "its values as they are, derivatives by differences"
)
TELLING = (DescendError, RowsAsked)
STAND_INS = ("Tensor", TRACED)
NUMPYS = "setting an array element"
HELD = "a plain NumPy array cannot hold a value that is not known before the data is"
PATIENCE = 100  # refusals swallowed, until the model is stopped: it may try again until all is well
TAKING = dis.opmap["PUSH_EXC_INFO"]  # a handler begins, and is not yet ready for another error
# Libraries that call functions of the user's back, integrands say: the call itself is to blame.
CALLING_BACK = ("scipy",)


class _Stopped(BaseException):
    """Ends a model that swallows one refusal after another; no `except Exception` takes it."""


def _stop() -> NoReturn:
    """Raise `_Stopped`, and where a bare `except:` has taken it, once more in its handler.

    `while True` around such a `try` would go on for ever.
    """

    def again(frame: FrameType, event: str, _arg: Any) -> Any:
        begins = frame.f_code.co_code[frame.f_lasti] == TAKING
        if event == "opcode" and not begins and not takes(frame, _Stopped):
            raise _Stopped
        return again

    for frame in _model_frames(sys._getframe(1)):
        frame.f_trace, frame.f_trace_opcodes = again, True
    sys.settrace(lambda *_: None)
    raise _Stopped


@contextmanager
def nothing_swallowed() -> Iterator[None]:
    """Raise the first error made inside if it was swallowed, or made another error of."""
    outer, tracer = WITNESS.get(), sys.gettrace()
    made: list[Exception] = []

    def witness(error: Exception) -> None:
        if isinstance(error, DescendError):
            _blame_library(error)
        if not any(error is m for m in made):
            made.append(error)
        if outer is not None:
            outer(error)
        if len(made) > PATIENCE:
            _stop()

    def end() -> None:
        WITNESS.reset(token)
        if sys.gettrace() is not tracer:  # see `listen`
            sys.settrace(tracer)

    token = WITNESS.set(witness)
    try:
        yield
    except _Stopped:
        end()
        raise _first(made, None) from None
    except Exception as error:
        end()
        if made and made[0] is not error:
            raise _first(made, error) from None
        refusal = None if isinstance(error, TELLING) else _of_library(error, error.__traceback__)
        if refusal is not None:
            raise refusal from error
        raise
    except BaseException:
        end()
        raise
    end()
    if made:
        raise _first(made, None)


def _is_owed(error: Exception, tb: TracebackType) -> bool:
    """Whether an error that tells nobody of itself comes from a stand-in."""
    token = WITNESS.set(None)
    try:
        return not isinstance(error, TELLING) and _of_library(error, tb) is not None
    finally:
        WITNESS.reset(token)


def listen() -> None:
    """Tell the witness of errors that stand-ins gave rise to, where they meet a model's handlers.

    `json.dumps`, say, refuses a stand-in with an error of its own, of which nobody else learns.
    Whoever traces already, a debugger or a meter of coverage, goes on; who began the trace sets
    `sys.settrace` back.
    """
    before = sys.gettrace()

    def enter(frame: FrameType, event: Any, arg: Any) -> Any:
        local = None if before is None else before(frame, event, arg)
        code = frame.f_code
        if not code.co_exceptiontable or frame.f_globals.__class__ is dict:
            return local

        def follow(frame: FrameType, event: Any, arg: Any) -> Any:
            nonlocal local
            witness = WITNESS.get()
            if event == "exception" and witness is not None and _is_owed(*arg[1:]):
                witness(arg[1])
            if local is not None:
                local = local(frame, event, arg)
            return follow

        frame.f_trace_lines = local is not None
        return follow

    sys.settrace(enter)


def _first(made: list[Exception], error: Exception | None) -> Exception:
    """The first error that was made, in the words that help where NumPy made another one of it."""
    first = made[0]
    if not isinstance(first, TELLING):
        first = _of_library(first, first.__traceback__) or first
    if error is None or isinstance(error, DescendError):
        if not (getattr(first, "remedy", None) or "").startswith(NEVER):
            first.add_note(SWALLOWED)
    elif error.__cause__ is first and NUMPYS in str(error) and isinstance(first, TraceError):
        first.message = HELD
        first.remedy = "make the array in the model, with np.zeros, np.array or np.copy of yours"
    return first


# --- the call that a user wrote ------------------------------------------------------------------


def _blame_library(error: DescendError) -> None:
    """Where a library's own lines lead to the refusal, name its function and the user's line."""
    frames = _model_frames(sys._getframe(2))
    found = _library_call([(f.f_code, f.f_lasti, f) for f in frames])
    if found is None or error.message.startswith(found[0]):
        return
    error.message = f"{found[0]} cannot be part of a model: inside of it, {error.message}"
    error.where, error.remedy = found[1], BLACK_BOX
    error.args = (error.message,)


def _of_library(error: Exception, tb: TracebackType | None) -> TraceError | None:
    """The refusal for an error of a library's own that a stand-in gave rise to."""
    links = []
    while tb is not None:
        links.append((tb.tb_frame.f_code, tb.tb_lasti, tb.tb_frame))
        tb = tb.tb_next
    found = _library_call(links)
    if owner_of(links[-1][0].co_filename) == USERS:
        if not any(s in str(error) for s in STAND_INS):
            return None
        code, offset, frame = links[-1]
        found = _written(segment_of(code, offset)) or "this call", line_of(frame)
    elif found is None or not any(is_traced([*f.f_locals.values()]) for _, _, f in links
                                  if _is_library(f)):  # fmt: skip
        return None
    reason = f"{type(error).__name__}: {error}"
    return TraceError(
        f"{found[0]} cannot be part of a model: inside of it, {reason}",
        where=found[1],
        remedy=BLACK_BOX,
    )


Place = tuple[CodeType, int, FrameType]


def _model_frames(frame: FrameType | None) -> list[FrameType]:
    """The frames within the outermost trace, the outermost first."""
    frames: list[FrameType] = []
    last = 0
    while frame is not None:
        if frame.f_code in ENTRIES:
            last = len(frames)
        frames.append(frame)
        frame = frame.f_back
    return frames[:last][::-1]


def _is_library(frame: FrameType) -> bool:
    return owner_of(frame.f_code.co_filename) == LIBRARY


def _library_call(places: list[Place]) -> tuple[str, str] | None:
    """The name of the library's function that the user's code called, and his line."""
    caller: Place | None = None
    found: tuple[Place, Place] | None = None
    for place in places:
        owner = owner_of(place[0].co_filename)
        if owner == USERS:
            caller = place
            if found is not None and not _calls_back(found[1][2]):
                found = None
        elif owner == LIBRARY and caller is not None and found is None:
            found = caller, place
    if found is not None:
        (code, offset, frame), (_, _, callee) = found
        return _called(code, offset, callee), line_of(frame)
    return None if caller is None else _compiled_call(*caller)


def _compiled_call(code: CodeType, offset: int, frame: FrameType) -> tuple[str, str] | None:
    """The same for a library's compiled function, which has no frame: from the call as written."""
    name = _written(segment_of(code, offset))
    token = WITNESS.set(None)  # what stands for a source of random numbers refuses to be looked at
    try:
        first, *rest = name.split(".")
        known = frame.f_locals if first in frame.f_locals else frame.f_globals
        function = known[first]
        for part in rest:
            if not part.isidentifier():  # what is made on the way, a tree of neighbours say
                break
            function = getattr(function, part)
        owner = getattr(function, "__self__", function)
        maker = owner.__name__ if isinstance(owner, ModuleType) else type(owner).__module__
        own = getattr(function, "__module__", None) or maker
    except (LookupError, AttributeError, DescendError):
        return None
    finally:
        WITNESS.reset(token)
    module = sys.modules.get(str(own).partition(".")[0])
    file = getattr(module, "__file__", None)
    if file is None or isinstance(function, FunctionType) or owner_of(file) != LIBRARY:
        return None
    return name, line_of(frame)


def _calls_back(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith(CALLING_BACK)


def _called(code: CodeType, offset: int, callee: FrameType) -> str:
    """What a function of a library is called in public, else as the user wrote the call."""
    module = str(callee.f_globals.get("__name__", ""))
    own = callee.f_locals.get("self")
    name = callee.f_code.co_name if own is None else type(own).__name__
    parts = module.split(".")
    for depth in range(len(parts), 0, -1):
        public = ".".join(parts[:depth])
        if "._" not in public and hasattr(sys.modules.get(public), name):
            return f"{public}.{name}"
    return _written(segment_of(code, offset)) or f"{module}.{name}"


def _written(text: str) -> str:
    """The function of a call as it stands in the source, without its arguments."""
    try:
        expression = ast.parse(text, mode="eval").body
    except SyntaxError:
        return ""
    while isinstance(expression, ast.Call):
        expression = expression.func
    return ast.unparse(expression)
