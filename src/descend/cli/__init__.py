"""The command line: `descend fit`, `minimize`, `grad`, `explain` and `predict`."""
