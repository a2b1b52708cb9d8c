"""What the columns of a program are called, and some of its states."""

__all__ = [
    "AVERAGED", "EPOCH_ROWS", "ROW", "SCHEDULE", "SEED", "SIGMA", "TARGET", "UPDATES", "WEIGHT",
    "WHITENING", "column_key", "running_slot",
]  # fmt: skip

TARGET, WEIGHT, SIGMA, WHITENING = "target", "sample_weight", "sigma", "whitening"
ROW, SEED = "row number", "random seed"
"""What the draws of a model depend on besides the step."""
EPOCH_ROWS = "rows of an epoch"
"""How many rows there are, where a batch has to know."""
SCHEDULE = "schedule/"
"""How the states begin in which a schedule remembers losses."""
AVERAGED = "averaged value/"
"""How the states begin that hold the moving averages of parameters."""
UPDATES = "updates made"
"""The state that counts updates, where one is made of several batches."""


def column_key(name: str) -> str:
    """What a data argument is called among the program's inputs.

    >>> column_key("x"), column_key("sigma")
    ('x', 'sigma (data)')
    """
    return f"{name} (data)" if name in (TARGET, WEIGHT, SIGMA, WHITENING, ROW) else name


def running_slot(name: str) -> str:
    """What a running value of a model is called among the states, and where it is read."""
    return f"running value/{name}"
