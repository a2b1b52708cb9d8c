"""What the columns of a program are called."""

__all__ = ["SIGMA", "TARGET", "WEIGHT", "WHITENING", "column_key"]

TARGET, WEIGHT, SIGMA, WHITENING = "target", "sample_weight", "sigma", "whitening"


def column_key(name: str) -> str:
    """What a data argument is called among the program's inputs.

    >>> column_key("x"), column_key("sigma")
    ('x', 'sigma (data)')
    """
    return f"{name} (data)" if name in (TARGET, WEIGHT, SIGMA, WHITENING) else name
