"""When a fit has arrived: how far the predicted step may still go."""

__all__ = ["ARRIVED", "ROUNDING"]

ARRIVED = 0.01  # the predicted step may be this share of each standard error
ROUNDING = 1e-9  # or this share of the parameter itself
