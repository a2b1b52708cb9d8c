"""The coverage table's families: what NumPy's and others' functions mean on stand-ins."""
