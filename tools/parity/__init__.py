"""The oracle of parity: 1 000 varied calls recorded, and what differs between two records.

    python -m tools.parity record BEFORE.json.gz        # from the project's root
    python -m tools.parity compare BEFORE.json.gz AFTER.json.gz --explained FILE

It serves rebuilding: recorded before, what came is held against what comes after, right or wrong.
Wrong answers are recorded on purpose, so that a change of them shows as well and gets explained.
`PYTHONPATH=<other>/src` records another state of the project with the same calls.
"""
