"""WHAT is computed: nodes, the primitive table, programs, and the interpreter that defines them."""
