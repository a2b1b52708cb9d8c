"""The benchmark's figures as Markdown."""

from __future__ import annotations

import math
from typing import Any

TITLES = {
    "descend_fit": "descend",
    "jax_scan": "JAX",
    "numba_loop": "Numba, by hand",
    "torch_eager": "PyTorch",
    "torch_compile": "torch.compile",
    "sklearn_sgd": "scikit-learn",
    "autograd_loop": "autograd",
    "numpy_loop": "NumPy, by hand",
}
OURS, THEIRS = "descend_fit", "jax_scan"


def number(value: float) -> str:
    """Three digits, no exponent."""
    if value >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"


def cell(result: dict[str, Any] | None) -> str:
    if result is None:
        return ""
    if "refused" in result:
        return "–"
    if "error" in result:
        return "failed"
    return number(result["ns"]) + ("" if result["right"] else " WRONG")


def nanoseconds(row: dict[str, Any], peer: str) -> float | None:
    return row["results"].get(peer, {}).get("ns")


def ratio(row: dict[str, Any]) -> float | None:
    ours, theirs = nanoseconds(row, OURS), nanoseconds(row, THEIRS)
    return theirs / ours if ours and theirs else None


def line(row: dict[str, Any], peers: list[str]) -> str:
    """One row of the table, for watching the run."""
    cells = [cell(row["results"].get(peer)) for peer in peers]
    faster, ours = ratio(row), nanoseconds(row, OURS)
    return table_row(
        [
            row["case"].replace("/", ", "),
            *cells,
            f"{number(row['limit'])} ({row['limit_by']})",
            f"{faster:.2f}×" if faster else "",
            f"{ours / row['limit']:.2f}×" if ours else "",
        ]
    )


def table_row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def summary(rows: list[dict[str, Any]]) -> list[str]:
    """Least and geometric mean of how much faster than JAX, in order and shuffled."""
    lines = []
    for order in ("in order", "shuffled"):
        ratios = {r["case"]: ratio(r) for r in rows if r["case"].endswith(order) and ratio(r)}
        if not ratios:
            continue
        least = min(ratios, key=lambda case: ratios[case] or math.inf)
        mean = math.exp(math.fsum(math.log(v) for v in ratios.values() if v) / len(ratios))
        lines.append(
            f"- {order}: descend is {mean:.2f}× as fast as JAX in the geometric mean of "
            f"{len(ratios)} cases; least {ratios[least]:.2f}× ({least.replace('/', ', ')})"
        )
    return lines


def cases_section(outcome: dict[str, Any]) -> list[str]:
    peers = [p for p in outcome["peers"] if p not in outcome["missing"]]
    head = [
        "rows, batch, order",
        *(TITLES[p] for p in peers),
        "limit",
        "faster than JAX",
        "above the limit",
    ]
    return [
        "## A whole fit, warm: ns per row visited",
        "",
        "One call from arrays to the result, with compilation cached, best of the repetitions.",
        "Slow contestants run a part of each case (the JSON says which). WRONG marks parameters",
        "that differ from NumPy's by more than 1e-9 after three epochs in order.",
        "",
        table_row(head),
        table_row(["---"] + ["---:"] * (len(head) - 1)),
        *(line(row, peers) for row in outcome["cases"]),
        "",
        *summary(outcome["cases"]),
        "",
    ]


def limits_section(figures: dict[str, float]) -> list[str]:
    return [
        "## What the machine allows",
        "",
        table_row(["kernel", "ns"]),
        table_row(["---", "---:"]),
        *(
            table_row([name, number(ns)])
            for name, ns in figures.items()
            if name != "lanes"
        ),
        "",
        "Chains are per update, reading is per row of two columns, a multiply-add is one vector",
        f"of {figures['lanes']} float64. The limit of a case is the largest of chain ÷ batch,",
        "reading, and arithmetic, on one core.",
        "",
    ]


def cold_section(outcome: dict[str, Any]) -> list[str]:
    if not outcome["cold"]:
        return []
    seconds = {r["name"]: r.get("seconds") for r in outcome["cold"]}
    base = seconds.get("JAX")
    lines = [
        "## The lesson's job as a whole process: 100 rows, batch 1, 1000 epochs",
        "",
        table_row(["contestant", "seconds", "of JAX's"]),
        table_row(["---", "---:", "---:"]),
    ]
    for result in outcome["cold"]:
        if "error" in result:
            lines.append(table_row([result["name"], "failed", ""]))
            continue
        took = result["seconds"]
        share = f"{took / base:.2f}" if base else ""
        wrong = "" if result["right"] else " WRONG"
        lines.append(table_row([result["name"], f"{took:.3f}{wrong}", share]))
    return [*lines, ""]


def least_squares_section(rows: list[dict[str, Any]]) -> list[str]:
    if not rows:
        return []
    lines = [
        "## Least squares with standard errors: one call, warm",
        "",
        table_row(["data", "contestant", "µs", "residual sum of squares"]),
        table_row(["---", "---", "---:", "---:"]),
    ]
    for row in rows:
        found = row.get("error") or f"{row['squares']:.11g}"
        took = number(row["us"]) if "us" in row else ""
        lines.append(table_row([row["data"], row["name"], took, found]))
    return [*lines, ""]


def imports_section(figures: dict[str, float]) -> list[str]:
    if not figures:
        return []
    return [
        "## Import, as whole processes in turn",
        "",
        *(f"- {name}: {1000 * v:.0f} ms" for name, v in figures.items() if name != "ratio"),
        f"- `import descend` takes {figures['ratio']:.2f} times as long as NumPy and llvmlite, "
        "with the empty process taken off",
        "",
    ]


def markdown(outcome: dict[str, Any]) -> str:
    about = outcome["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in about["versions"].items())
    lines = [
        "# Benchmark",
        "",
        f"{about['processor']} ({about['llvm_cpu']}), {about['cores']} cores; {about['system']};",
        f"Python {about['python']}; OpenBLAS {about['openblas']}; {versions}.",
        *([f"Could not start: {', '.join(outcome['missing'])}."] if outcome["missing"] else []),
        "Made by `make bench`.",
        "",
        *cases_section(outcome),
        *limits_section(outcome["figures"]),
        *cold_section(outcome),
        *least_squares_section(outcome["least_squares"]),
        *imports_section(outcome["imports"]),
    ]
    return "\n".join(lines).rstrip() + "\n"
