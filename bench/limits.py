"""What the machine allows: latency of the dependent chain, memory bandwidth, arithmetic rate.

Each is measured by a kernel of a few instructions, written in LLVM's text so that nothing is added
to it. A case cannot be faster than the largest of the three, per row:

- the chain: an update needs the parameters of the one before, so a batch costs at least the
  latency of the shortest path from parameters to parameters (a batch of more rows adds a reduction,
  which is left out);
- the data: two columns of float64 pass through the processor once an epoch, in order or gathered;
- the arithmetic: instructions of the multiply-add kind that a row needs, at the measured rate.
"""

from __future__ import annotations

import ctypes
import json
import math
import time
from collections.abc import Callable

import numpy as np
from cases import Case
from llvmlite import binding as llvm

REPEATS = 15
ACCUMULATORS = 10
# Multiply-adds and multiplications a row, at least. Parabola: x², two for the prediction, two for
# the gradient sums, one for the loss; additions have units of their own. Exponential: four to
# reduce the argument, eleven for the polynomial, five around it.
MULTIPLY_ADDS = {"parabola": 6, "exponential": 20}


class Kernels:
    """Compiles LLVM text without passes: what is written is what runs."""

    def __init__(self) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        features = llvm.get_host_cpu_features()
        self.lanes = 8 if features.get("avx512f") else 4 if features.get("avx") else 2

    def compile(self, text: str, *arguments: type) -> Callable[..., float]:
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(),
            features=llvm.get_host_cpu_features().flatten(),
            opt=3,
        )
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(text), machine)
        engine.finalize_object()
        address = engine.get_function_address("kernel")
        kernel = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, *arguments)(address)
        kernel.engine = engine  # the code lives as long as its engine
        return kernel


def loop(parameters: str, carried: dict[str, tuple[str, str]], body: str, result: str) -> str:
    """A counted loop: `carried` names registers, their type and first value; `body` sets NAME.n."""
    phis = "\n".join(
        f"  %{name} = phi {kind} [{first}, %entry], [%{name}.n, %loop]"
        for name, (kind, first) in carried.items()
    )
    return f"""
declare double @llvm.fma.f64(double, double, double)
define double @kernel(i64 %n{parameters}) {{
entry:
  br label %loop
loop:
  %i = phi i64 [0, %entry], [%i.n, %loop]
{phis}
{body}
  %i.n = add i64 %i, 1
  %more = icmp ult i64 %i.n, %n
  br i1 %more, label %loop, label %done
done:
{result}
}}
"""


def fma(to: str, a: str, b: str, c: str) -> str:
    return f"  %{to} = call double @llvm.fma.f64(double {a}, double {b}, double {c})\n"


def best(call: Callable[[], float], per: float) -> float:
    """Nanoseconds per unit of work, the best of several runs."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times) / per * 1e9


THREE = dict.fromkeys(("u", "v", "w"), ("double", "1.0"))
SUM_OF_THREE = "  %s1 = fadd double %u.n, %v.n\n  %s2 = fadd double %s1, %w.n\n  ret double %s2"


def parabola_chain() -> str:
    """u·x² + v·x + w − y in two halves, their sum, and the update: the shortest path."""
    body = (
        fma("a", "%u", "0.25", "-3.0")
        + fma("b", "%v", "0.5", "%w")
        + "  %e = fadd double %a, %b\n"
        + fma("u.n", "%e", "-0.0005", "%u")
        + fma("v.n", "%e", "-0.001", "%v")
        + fma("w.n", "%e", "-0.002", "%w")
    )
    return loop("", THREE, body, SUM_OF_THREE)


def exponential_chain() -> str:
    """u·exp(−v·x) + w − y and its update; exp by Estrin's scheme, good to the last place or two."""
    pairs = [
        fma(f"p{k}", "%r", repr(1 / math.factorial(k + 1)), repr(1 / math.factorial(k)))
        for k in range(0, 12, 2)
    ]
    magic = float(2**52 + 2**51)
    body = (
        "  %t = fmul double %v, -0.5\n"
        + fma("m", "%v", repr(-0.5 / math.log(2)), repr(magic))
        + f"  %q = fsub double %m, {magic!r}\n"
        + fma("r0", "%q", repr(-math.log(2)), "%t")
        + fma("r", "%q", "-2.3190468138462996e-17", "%r0")
        + "  %r2 = fmul double %r, %r\n  %r4 = fmul double %r2, %r2\n"
        + "  %r8 = fmul double %r4, %r4\n"
        + "".join(pairs)
        + fma("q0", "%p2", "%r2", "%p0")
        + fma("q4", "%p6", "%r2", "%p4")
        + fma("q8", "%p10", "%r2", "%p8")
        + fma("h0", "%q4", "%r4", "%q0")
        + fma("z", "%q8", "%r8", "%h0")
        # 2**q waits for nobody: it goes into what multiplies the polynomial.
        + "  %bits = bitcast double %m to i64\n  %shift = shl i64 %bits, 52\n"
        + "  %sb = add i64 %shift, 4607182418800017408\n"
        + "  %scale = bitcast i64 %sb to double\n"
        + "  %us = fmul double %u, %scale\n  %w1 = fsub double %w, 2.0\n"
        + "  %zu = fmul double %us, 0.001\n  %zs = fmul double %scale, -0.002\n"
        + fma("e", "%us", "%z", "%w1")
        + "  %s = fmul double %zu, %z\n  %se = fmul double %zs, %z\n"
        + fma("u.n", "%e", "%se", "%u")
        + fma("v.n", "%e", "%s", "%v")
        + fma("w.n", "%e", "-0.002", "%w")
    )
    return loop("", THREE, body, SUM_OF_THREE)


def rate(lanes: int) -> str:
    """Independent multiply-adds on whole vectors, more than the units can hold in flight."""
    vector = f"<{lanes} x double>"
    names = [f"a{k}" for k in range(ACCUMULATORS)]
    call = f"call {vector} @llvm.fma.v{lanes}f64"
    body = "".join(
        f"  %{name}.n = {call}({vector} %{name}, {vector} %half, {vector} %one)\n" for name in names
    )
    total, text = "%a0.n", ""
    for k, name in enumerate(names[1:]):
        text += f"  %s{k} = fadd {vector} {total}, %{name}.n\n"
        total = f"%s{k}"
    result = f"{text}  %x = extractelement {vector} {total}, i32 0\n  ret double %x"
    kernel = loop(
        f", {vector} %half, {vector} %one",
        dict.fromkeys(names, (vector, "zeroinitializer")),
        body,
        result,
    )
    # Constants cross from the caller in a scalar, so that no compiler can fold them.
    splat = "".join(
        f"  %{name}.0 = insertelement {vector} poison, double %{name}.s, i32 0\n"
        f"  %{name} = shufflevector {vector} %{name}.0, {vector} poison,"
        f" <{lanes} x i32> zeroinitializer\n"
        for name in ("half", "one")
    )
    kernel = kernel.replace(
        f", {vector} %half, {vector} %one) {{\nentry:\n",
        f", double %half.s, double %one.s) {{\nentry:\n{splat}",
    )
    return f"declare {vector} @llvm.fma.v{lanes}f64({vector}, {vector}, {vector})\n{kernel}"


AROUND = (
    "  %k1 = add i64 %k, 1\n  %end = icmp eq i64 %k1, %blocks\n"
    "  %k.n = select i1 %end, i64 0, i64 %k1\n"
)


def stream(lanes: int) -> str:
    """Both columns read in order, epoch after epoch, and summed, four vectors of each in flight."""
    vector = f"<{lanes} x double>"
    body = f"{AROUND}  %at = mul i64 %k, {4 * lanes}\n"
    carried = {"k": ("i64", "0")}
    for k in range(4):
        for column in "xy":
            name = f"{column}{k}"
            carried[name] = (vector, "zeroinitializer")
            body += (
                f"  %o{name} = add i64 %at, {k * lanes}\n"
                f"  %g{name} = getelementptr double, ptr %{column}, i64 %o{name}\n"
                f"  %l{name} = load {vector}, ptr %g{name}, align 8\n"
                f"  %{name}.n = fadd {vector} %{name}, %l{name}\n"
            )
    total, text = "%x0.n", ""
    for name in list(carried)[2:]:
        text += f"  %s{name} = fadd {vector} {total}, %{name}.n\n"
        total = f"%s{name}"
    result = f"{text}  %r = extractelement {vector} {total}, i32 0\n  ret double %r"
    return loop(", i64 %blocks, ptr %x, ptr %y", carried, body, result)


def gather() -> str:
    """Both columns read through a permutation, four rows in flight."""
    body = f"{AROUND}  %at = mul i64 %k, 4\n"
    carried = {"k": ("i64", "0")}
    for k in range(4):
        body += (
            f"  %o{k} = add i64 %at, {k}\n"
            f"  %a{k} = getelementptr i64, ptr %order, i64 %o{k}\n"
            f"  %p{k} = load i64, ptr %a{k}\n"
        )
        for column in "xy":
            name = f"{column}{k}"
            carried[name] = ("double", "0.0")
            body += (
                f"  %g{name} = getelementptr double, ptr %{column}, i64 %p{k}\n"
                f"  %l{name} = load double, ptr %g{name}\n"
                f"  %{name}.n = fadd double %{name}, %l{name}\n"
            )
    total, text = "%x0.n", ""
    for name in list(carried)[2:]:
        text += f"  %s{name} = fadd double {total}, %{name}.n\n"
        total = f"%s{name}"
    result = f"{text}  ret double {total}"
    return loop(", i64 %blocks, ptr %order, ptr %x, ptr %y", carried, body, result)


def reading(kernels: Kernels, rows: int) -> dict[str, float]:
    """ns a row to read both columns, in order and gathered, as often as epochs repeat it."""
    step = 4 * kernels.lanes
    random = np.random.default_rng(0)
    x, y = random.random((2, -(-rows // step) * step))
    order = random.permutation(rows)
    count, pointer = ctypes.c_int64, ctypes.c_void_p
    whole = kernels.compile(stream(kernels.lanes), count, pointer, pointer)
    picked = kernels.compile(gather(), count, pointer, pointer, pointer)
    epochs = max(1, 2_000_000 // rows)

    def ns(kernel: Callable[..., float], blocks: int, *columns: np.ndarray) -> float:
        pointers = [c.ctypes.data for c in columns]
        return best(lambda: kernel(blocks * epochs, blocks, *pointers), epochs * rows)

    return {
        "in order": ns(whole, x.size // step, x, y),
        "shuffled": ns(picked, rows // 4, order, x, y),
    }


def measure() -> dict[str, float]:
    """The machine's figures, in ns: per update, per row, per vector instruction."""
    kernels = Kernels()
    count = 2_000_000
    double = ctypes.c_double
    chains = {"parabola": parabola_chain(), "exponential": exponential_chain()}
    figures: dict[str, float] = {"lanes": kernels.lanes}
    for model, text in chains.items():
        kernel = kernels.compile(text)
        figures[f"chain/{model}"] = best(lambda kernel=kernel: kernel(count), count)
    kernel = kernels.compile(rate(kernels.lanes), double, double)
    figures["multiply-add"] = best(lambda: kernel(count, 0.5, 1.0), count * ACCUMULATORS)
    for rows in (100, 1_000_000):
        for order, ns in reading(kernels, rows).items():
            figures[f"read/{rows}/{order}"] = ns
    return figures


def limit(figures: dict[str, float], case: Case) -> tuple[float, str]:
    """The largest of the three limits for a case, ns a row, and its name."""
    order = "shuffled" if case.shuffle else "in order"
    rows = min((100, 1_000_000), key=lambda r: abs(r - case.rows))
    arithmetic = MULTIPLY_ADDS[case.model] * figures["multiply-add"] / figures["lanes"]
    limits = {
        "chain": figures[f"chain/{case.model}"] / case.batch,
        "memory": figures[f"read/{rows}/{order}"],
        "arithmetic": arithmetic,
    }
    name = max(limits, key=limits.__getitem__)
    return limits[name], name


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
