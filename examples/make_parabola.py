"""Write parabola.csv, the lesson's data: x = 0.00 … 0.99 and y = 4x² + 5x + 6, exactly."""

from decimal import Decimal
from pathlib import Path


def rows() -> list[str]:
    """The table's lines, computed in decimals so that nothing is rounded."""
    points = [Decimal(i) / 100 for i in range(100)]
    return [f"{x:.2f},{4 * x * x + 5 * x + 6:.4f}" for x in points]


if __name__ == "__main__":
    path = Path(__file__).with_name("parabola.csv")
    path.write_text("\n".join(["x,y", *rows()]) + "\n", encoding="utf-8")
    print(f"{path.name}: 100 rows")
