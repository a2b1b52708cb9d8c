"""LLVM text → machine code in memory: verification, a short list of passes, objects, lifetime.

What was measured decides the form. The pass list is built once and reused under a lock (building
one per compile leaks). The object is emitted first and loaded into an empty engine (a tenth of the
memory of compiling inside one; a cached object needs no compiler at all). The engine owns its
target machine, so that every engine gets its own, and the one that emits objects is never handed
over.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

from descend.errors import InternalError
from descend.lean import dataclass

__all__ = [
    "Aim", "Loaded", "NotNative", "aimed", "aimed_at", "architecture", "cpu_lanes", "emit_object",
    "host", "load_object", "target_id", "vector_registers",
]  # fmt: skip

_lock = threading.RLock()
PASSES = ("sroa", "instruction_combine", "simplify_cfg")
LARGE = 2_000_000
# A writable page: where the loader puts the addresses of library functions such as memcpy, for
# which it reserves no room itself.
ROOM = "@room = global i64 0, align 8\n"


class NotNative(Exception):
    """A primitive that has no native form; the caller falls back on the interpreter."""


class Aim(NamedTuple):
    """A processor that code is made for.

    Attributes:
        cpu: as LLVM calls it. features: such as `+avx,-avx512f`.
    """

    cpu: str
    features: str


_aim: ContextVar[Aim | None] = ContextVar("aim", default=None)


@contextmanager
def aimed(aim: Aim | None) -> Iterator[None]:
    """Have code made for a processor that can do no more than this machine's; None is its own."""
    before = _aim.set(aim)
    try:
        yield
    finally:
        _aim.reset(before)


def aimed_at() -> Aim | None:
    """What code is made for, if not for this machine's own processor."""
    return _aim.get()


@dataclass(frozen=True)
class _Machine:
    binding: Any
    target: Any
    cpu: str
    features: str


def host() -> tuple[str, str, Mapping[str, bool]]:
    """The machine's triple, and what LLVM calls its processor and what that can do."""
    m = _machine()
    found = dict(m.binding.get_host_cpu_features())
    return str(m.target.triple), m.binding.get_host_cpu_name(), found


def _machine() -> _Machine:
    return _machine_of(_aim.get())


@cache
def _machine_of(aim: Aim | None) -> _Machine:
    import llvmlite.binding as binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    if aim is None:
        aim = Aim(binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten())
    return _Machine(binding, binding.Target.from_default_triple(), *aim)


def target_id() -> str:
    """What a compiled object depends on: LLVM's version, the processor and its features."""
    m = _machine()
    return f"llvm {m.binding.llvm_version_info} {m.cpu} {m.features}"


def cpu_lanes() -> int:
    """Bytes of the widest vector register that pays: 64 with AVX-512, 32 with AVX, else 16."""
    features = _machine().features.split(",")
    if "+avx512f" in features:
        return 64
    return 32 if "+avx" in features else 16


def vector_registers() -> int:
    """How many vector registers there are: 16 on x86-64 before AVX-512, else 32."""
    features = _machine().features.split(",")
    return 16 if "+sse2" in features and "+avx512f" not in features else 32


@cache
def architecture() -> str:
    """The processor's family: `x86_64`, `aarch64`, …"""
    name = str(_machine().target.triple).partition("-")[0]
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(name, name)


def _target_machine(level: int) -> Any:
    m = _machine()
    return m.target.create_target_machine(
        cpu=m.cpu, features=m.features, opt=level, reloc="pic", codemodel="default", jit=True
    )


@cache
def _compiler(level: int, _aimed: Aim | None) -> tuple[Any, Any, Any]:
    m = _machine()
    machine = _target_machine(level)
    builder = m.binding.create_pass_builder(machine, m.binding.PipelineTuningOptions())
    passes = m.binding.create_new_module_pass_manager()
    for name in PASSES:
        getattr(passes, f"add_{name}_pass")()
    return machine, builder, passes


def emit_object(text: str, check: bool = False, soon: bool = False) -> bytes:
    """Compile a module of LLVM text to an object file.

    Args:
        soon: whether the code is to be had soon rather than to be fast.

    Raises:
        InternalError: the text is not valid LLVM (a bug in descend), with LLVM's own words.
    """
    m = _machine()
    level = 0 if soon or len(text) >= LARGE else 3
    with _lock:
        machine, builder, passes = _compiler(level, _aim.get())
        try:
            module = m.binding.parse_assembly(ROOM + text)
            if check:
                module.verify()
        except RuntimeError as error:
            raise InternalError(f"LLVM refused the program: {error}") from error
        with module:
            if level:
                passes.run(module, builder)
            return bytes(machine.emit_object(module))


class Loaded:
    """Machine code in memory; lives as long as this object."""

    def __init__(self, image: bytes, entry: str) -> None:
        m = _machine()
        with _lock:
            empty = m.binding.parse_assembly("")
            # One reservation for all sections: laid out singly they can end up more than the
            # 2 GiB apart that code can address, beside large data, and LLVM aborts the process.
            self._engine = m.binding.create_mcjit_compiler(
                empty, _target_machine(1), use_lmm=True
            )
            self._engine.add_object_file(m.binding.ObjectFileRef.from_data(image))
            self._engine.finalize_object()
            address = self._engine.get_function_address(entry)
        if not address:
            raise InternalError(f"the compiled object has no {entry}")
        self.address: int = address
        kinds = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64
        self.function = ctypes.CFUNCTYPE(ctypes.c_int64, *kinds)(address)


def load_object(image: bytes, entry: str = "run") -> Loaded:
    """Load an object file; `entry` is `i64 (ptr table, i64 thread, i64 threads)`."""
    return Loaded(image, entry)
