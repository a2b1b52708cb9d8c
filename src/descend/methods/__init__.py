"""How to step: optimisers, schedules, losses, penalties and clipping, each a few lines of NumPy."""
