"""Fits on the workers of a Dask cluster: passes over rows, and many fits."""
