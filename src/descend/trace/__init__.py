"""Python function to graph: the stand-in array, the model's own NumPy, formulas."""
