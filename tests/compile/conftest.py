"""A small native harness: what an `Emitter` writes, run over whole arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator

import llvmlite.binding as binding
import numpy as np
import pytest

from descend.compile.kinds import BITS
from descend.compile.lanes import Emitter, Value

DTYPES = {
    "f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "i16": np.int16,
    "i8": np.int8, "u64": np.uint64, "u32": np.uint32, "u16": np.uint16, "u8": np.uint8,
    "i1": np.bool_,
}  # fmt: skip
PADDING = 16


class Lanewise:
    """Compiles emitted code into loops over arrays and keeps the engines that own them."""

    def __init__(self) -> None:
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        self.engines: list[binding.ExecutionEngine] = []
        self.preambles: dict[str, str] = {}

    def text(self, emit: Callable[..., Value], kinds: tuple[str, ...], width: int) -> tuple:
        """The module for `out[i] = emit(e, a0[i], a1[i], …)`, and the kind of the result."""
        preamble: dict[str, str] = {}
        e = Emitter([], width, preamble, "loop")
        args = [_load(e, f"%a{i}", kind, width) for i, kind in enumerate(kinds)]
        result = emit(e, *args)
        _store(e, "%out", result)
        self.preambles |= preamble
        pointers = "".join(f", ptr noalias %a{i}" for i in range(len(kinds)))
        body = "\n".join(e.lines)
        module = f"""define void @run(i64 %n, ptr noalias %out{pointers}) {{
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %{e.block} ]
{body}
  %next = add i64 %i, {width}
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %done
done:
  ret void
}}
""" + "\n".join(preamble.values())
        return module, result.kind

    def __call__(
        self, emit: Callable[..., Value], kinds: tuple[str, ...], width: int
    ) -> Callable[..., np.ndarray]:
        text, result_kind = self.text(emit, kinds, width)
        module = binding.parse_assembly(text)
        module.verify()
        machine = binding.Target.from_default_triple().create_target_machine(
            cpu=binding.get_host_cpu_name(),
            features=binding.get_host_cpu_features().flatten(),
            opt=2,
        )
        engine = binding.create_mcjit_compiler(module, machine)
        engine.finalize_object()
        self.engines.append(engine)
        signature = [ctypes.c_int64] + [ctypes.c_void_p] * (1 + len(kinds))
        run = ctypes.CFUNCTYPE(None, *signature)(engine.get_function_address("run"))

        def over(*arrays: np.ndarray) -> np.ndarray:
            count = len(arrays[0])
            padded = -(-count // PADDING) * PADDING
            inputs = [
                np.concatenate([np.asarray(a, DTYPES[k]), np.ones(padded - count, DTYPES[k])])
                for a, k in zip(arrays, kinds, strict=True)
            ]
            out = np.empty(padded, DTYPES[result_kind])
            run(padded, out.ctypes.data, *(a.ctypes.data for a in inputs))
            return out[:count]

        return over


def _memory(kind: str, width: int) -> str:
    scalar = {"f64": "double", "f32": "float", "i1": "i8"}.get(kind, f"i{BITS[kind]}")
    return scalar if width == 1 else f"<{width} x {scalar}>"


def _load(e: Emitter, base: str, kind: str, width: int) -> Value:
    at, size = e.fresh(), max(BITS[kind] // 8, 1)
    e.line(f"{at} = getelementptr {_memory(kind, 1)}, ptr {base}, i64 %i")
    raw = "i8" if kind == "i1" else kind
    value = e.op(f"load {_memory(kind, width)}, ptr {at}, align {size}", raw, width)
    return e.ne(value, 0) if kind == "i1" else value


def _store(e: Emitter, base: str, value: Value) -> None:
    at, size = e.fresh(), max(BITS[value.kind] // 8, 1)
    e.line(f"{at} = getelementptr {_memory(value.kind, 1)}, ptr {base}, i64 %i")
    value = e.convert(value, "i8") if value.kind == "i1" else value
    e.line(f"store {value.typed}, ptr {at}, align {size}")


def bits(values: np.ndarray) -> np.ndarray:
    """Floats as integers, so that signed zeros differ; every NaN is the same."""
    if values.dtype.kind != "f":
        return values
    same = np.where(np.isnan(values), values.dtype.type(np.nan), values)
    return same.view(f"u{values.itemsize}")


@pytest.fixture(scope="session")
def lanewise() -> Iterator[Lanewise]:
    harness = Lanewise()
    yield harness
    harness.engines.clear()


@pytest.fixture(scope="session")
def same_bits() -> Callable[[np.ndarray], np.ndarray]:
    return bits
