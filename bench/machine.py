"""The machine and versions that a table belongs to; the environment of measured processes."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

PACKAGES = (
    "numpy", "llvmlite", "jax", "jaxlib", "torch", "numba", "scikit-learn", "autograd", "scipy",
    "lmfit",
)
# Settings of this shell that would bind OpenBLAS to another processor's kernels, or make Python
# compile our own files anew in every process, which those of installed packages never are.
DROPPED = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "PYTHONDONTWRITEBYTECODE")


def environment(**more: str) -> dict[str, str]:
    """The caller's, without settings that would distort what is measured."""
    kept = {k: v for k, v in os.environ.items() if k not in DROPPED}
    return {**kept, "MPLBACKEND": "Agg", "DESCEND_RUNS": "off", **more}


def version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as info:
            return next(line.split(":", 1)[1].strip() for line in info if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def openblas_kernel() -> str:
    """The kernel that NumPy's OpenBLAS picks in an environment as the contestants have it."""
    code = (
        "import json, numpy, threadpoolctl;"
        "print(json.dumps(threadpoolctl.threadpool_info()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment()
    )
    pools = json.loads(done.stdout) if done.returncode == 0 else []
    found = [p for p in pools if p.get("internal_api") == "openblas"]
    return f"{found[0]['version']} {found[0]['architecture']}" if found else "unknown"


def peak() -> float:
    """Megabytes that this process has held at most.

    `ru_maxrss` counts what its parent held when it began as well.
    """
    path = Path("/proc/self/status")
    if not path.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    (line,) = (x for x in path.read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) / 1e3


def describe() -> dict[str, object]:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "llvm_cpu": llvm_cpu(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "openblas": openblas_kernel(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def llvm_cpu() -> str:
    from llvmlite import binding

    return str(binding.get_host_cpu_name())
