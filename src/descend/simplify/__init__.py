"""Graph to smaller graph: algebra as a table of rules, and the driver that applies it."""
