"""The contestants, each written the way its experts would.

A module offers `prepare(case)`, which does everything that need not be repeated (compiling,
moving data) and returns the call to be timed; that call returns the three fitted parameters.
`LIMIT` is the number of updates beyond which a slow contestant is timed on a part of the case,
and `refuses(case)` says why a case does not apply.
"""
