"""Finding a minimum in one dimension: look at the sign of the derivative and step against it."""

import descend


def valley(x):
    return (x - 2) ** 2 + 1


def hill(x):
    return 3 - (x + 1) ** 2


def by_hand(start: float, step: float) -> float:
    """Walk down the valley until x no longer changes."""
    slope = descend.grad(valley)
    x = start
    while True:
        derivative = float(slope(x))
        direction = "left" if derivative > 0 else "right" if derivative < 0 else "nowhere"
        print(f"  x = {x:8.5f}   derivative {derivative:9.5f}   step {direction}")
        x_new = x - step * derivative
        if abs(x_new - x) < 1e-4:
            return x_new
        x = x_new


def main() -> None:
    print("By hand, from x = 5:")
    by_hand(start=5.0, step=0.3)

    lowest = descend.minimize(
        valley, start=5.0, optimizer=descend.SGD(lr=0.3), max_iter=1000, xtol=1e-12
    )
    print(f"\nminimize: x = {lowest.params:.6f}, value {lowest.value:.6f}; {lowest.message}")
    assert abs(lowest.params - 2) < 1e-6 and abs(lowest.value - 1) < 1e-9

    highest = descend.maximize(
        hill, start=5.0, optimizer=descend.SGD(lr=0.3), max_iter=1000, xtol=1e-12
    )
    print(f"maximize: x = {highest.params:.6f}, value {highest.value:.6f}; {highest.message}")
    assert abs(highest.params + 1) < 1e-6 and abs(highest.value - 3) < 1e-9


if __name__ == "__main__":
    main()
